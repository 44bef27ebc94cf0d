"""The embedded MuJoCo tabletop: its arm, its scenes, scripted experts and deployment shifts."""
