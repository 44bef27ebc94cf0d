"""What benchmarks/policy.py prints: pooled rates and Markdown tables, from plain results."""

from collections.abc import Mapping, Sequence
from typing import Any

from a2g_cli.runtime.evaluation import wilson

Outcomes = Sequence[Sequence[bool]]
"""One list of successes a seed, each over the same trials."""


def pooled(seeds: Outcomes) -> dict[str, Any]:
    """Return rate and Wilson interval over all episodes of all seeds, and the rate of each seed.

    Seeds of training meet the same trials, so with several of them the interval is a little too narrow: the range of seeds
    says what it leaves out.
    """
    n, good = sum(map(len, seeds)), sum(map(sum, seeds))
    low, high = wilson(good, n)
    rates = [round(sum(one) / len(one), 4) for one in seeds if one]
    rate = good / n if n else 0.0
    return {
        "n": n,
        "successes": good,
        "rate": round(rate, 4),
        "interval": [round(low, 4), round(high, 4)],
        "seeds": rates,
        "seeds_mean": round(sum(rates) / len(rates), 4) if rates else 0.0,
        "seeds_range": [min(rates, default=0.0), max(rates, default=0.0)],
    }


def show(result: Mapping[str, Any] | None) -> str:
    """Return ``.93 [.86, .97]`` and, for several seeds, their mean and range; a dash for what was not measured."""
    if not result or not result["n"]:
        return "-"
    low, high = result["interval"]
    text = f"{result['rate']:.2f} [{low:.2f}, {high:.2f}]"
    if len(result["seeds"]) > 1:
        least, most = result["seeds_range"]
        text += f"; {len(result['seeds'])} seeds {result['seeds_mean']:.2f} ({least:.2f} to {most:.2f})"
    return text


def grouped(groups: Sequence[str], seeds: Outcomes) -> dict[str, dict[str, Any]]:
    """Return pooled results for each group of trials, in order of name, and for ``all``.

    Args:
        groups: each trial's group.
        seeds: successes, trial for trial.
    """
    found = {}
    for name in (*sorted(set(groups), key=_by_number), "all"):
        picked = [[good for good, group in zip(one, groups, strict=True) if name in {group, "all"}] for one in seeds]
        found[name] = pooled(picked)
    if set(groups) == {""}:
        found.pop("")
    return found


def _by_number(group: str) -> tuple[int, str]:
    """Return what sorts ``<=3``, ``4-6``, ``>=7`` as a reader would."""
    digits = "".join(c if c.isdigit() else " " for c in group).split()
    return (int(digits[0]) if digits else 0, group)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def success_table(results: Mapping[str, Mapping[str, Mapping[str, Any]]], setting: str) -> str:
    """Return policy by deployment of policy -> deployment -> pooled result."""
    columns = list(dict.fromkeys(column for row in results.values() for column in row))
    rows = [[name, *(show(row.get(column)) for column in columns)] for name, row in results.items()]
    return f"Success ({setting})\n\n" + table(["policy", *columns], rows)


def ablation_table(results: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]], setting: str) -> str:
    """Return deployment and group by plan of plan -> deployment -> group -> pooled result."""
    kinds = list(dict.fromkeys((d, g) for found in results.values() for d, groups in found.items() for g in groups))
    rows = [
        [deployment, group, *(show(found.get(deployment, {}).get(group)) for found in results.values())]
        for deployment, group in kinds
    ]
    return f"Multi-Scale Temporal Hashing ({setting})\n\n" + table(["deployment", "trials", *results], rows)


def plans_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return both tables of plan scores of deployment -> ``PlanScores.to_json()``."""
    errors, images = [], []
    for deployment, scores in results.items():
        for frame in scores["frames"]:
            head = [deployment, frame["frame"], f"{frame['offset_mean']:.1f}"]
            mse, psnr, ratio = frame["latent_mse"], frame["psnr"], frame["ratio"]
            ratios = [span(ratio[floor], 2) if ratio[floor] else "-" for floor in ("copy", "blend")]
            errors.append([*head, *(span(mse[m]) for m in ("sample", "mean", "limit", "copy", "blend")), *ratios])
            images.append([*head, *(span(psnr[m], 1) for m in ("sample", "mean", "copy", "blend", "ceiling"))])
    counts = "; ".join(f"{name}: n = {one['n']} of {one['episodes']} demonstrations" for name, one in results.items())
    several = f"mean of {next(iter(results.values()))['samples']}" if results else ""
    head, floors = ["deployment", "frame", "steps ahead", "one sample", several], ["now copied", "blend"]
    return (
        f"Plans: squared error of latents, 95 % intervals over demonstrations ({counts})\n\n"
        + table([*head, "endless samples", *floors, "endless / copied", "endless / blend"], errors)
        + "\n\nPlans: PSNR of decoded frames [dB]\n\n"
        + table([*head, *floors, "truth, reconstructed"], images)
    )


def span(values: Sequence[float], digits: int = 3) -> str:
    """Return ``value [low, high]``."""
    value, low, high = values
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def time_table(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Return policy by denoising steps of policy -> steps -> median and slow plans [ms]."""
    columns = list(dict.fromkeys(steps for row in results.values() for steps in row))
    rows = [
        [name, *(f"{row[c]['median_ms']:.1f} ({row[c]['p95_ms']:.1f})" if c in row else "-" for c in columns)]
        for name, row in results.items()
    ]
    title = "Time of a plan by denoising steps, one robot, one thread [ms]: median (95th percentile)"
    return f"{title}\n\n" + table(["policy", *columns], rows)
