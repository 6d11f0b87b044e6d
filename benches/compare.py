"""Compares darkroom with sharp on the corpus and prints the tables of docs/BENCHMARKS.md.

    python compare.py BENCH_BINARY CORPUS NODE_FOLDER [ROUNDS]

BENCH_BINARY is the output of `cargo bench -p darkroom-thumbnail --bench render --no-run`; NODE_FOLDER is where
`npm install sharp` ran. The contestants alternate (A B A B). Each figure is the median of its rounds, with the lowest
and highest file beside it.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
GROUPS = {
    "0.3 MP baseline 4:2:0": "*_0.3_420b.jpg",
    "1 MP baseline 4:2:0": "*_1_420b.jpg",
    "2 MP baseline 4:2:0": "*_2_420b.jpg",
    "12 MP baseline 4:2:0": "*_12_420b.jpg",
    "12 MP progressive 4:2:0": "*_12_420p.jpg",
    "12 MP baseline 4:4:4": "*_12_444b.jpg",
    "12 MP, EXIF-rotated": "*_12_o6.jpg",
    "12 MP, Display P3": "*_12_p3.jpg",
    "24 MP baseline 4:2:0": "*_24_420b.jpg",
    "4 MP PNG, RGB": "*_4_rgb.png",
    "4 MP PNG, RGBA": "*_4_rgba.png",
    "12 MP PNG, RGB": "*_12_rgb.png",
    "12 MP PNG, RGBA": "*_12_rgba.png",
    "5 MP PNG, screen": "screen_*.png",
    "6 MP PNG, flat art": "shapes_*.png",
}


def run(command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **options).stdout


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def main(binary, corpus, node, rounds=3):
    contestants = {
        "darkroom": lambda files: lines(run([binary, "cpu", 3, *files])),
        "sharp, cascade": lambda files: lines(run(["node", HERE / "sharp.mjs", "cpu", "cascade", 3, *files], cwd=node)),
        "sharp, per size": lambda files: lines(
            run(["node", HERE / "sharp.mjs", "cpu", "persize", 3, *files], cwd=node)
        ),
    }
    print("| files | darkroom | sharp, cascade | sharp, per size | floor | cascade / darkroom | per size / darkroom |"
          " darkroom / floor | bytes to sharp's |")
    print("|---|---|---|---|---|---|---|---|---|")
    stages = {}
    for group, pattern in GROUPS.items():
        files = sorted(corpus.glob(pattern))
        if not files:
            continue
        results = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, measure in contestants.items():
                results[name].append(measure(files))
        row(group, results)
        stages[group] = [file for one in results["darkroom"] for file in one]
    print("\n| files | decode, ms | resize | encode |\n|---|---|---|---|")
    for group, measured in stages.items():
        means = [statistics.mean(file[f"{stage}_ms"] for file in measured) for stage in ("decode", "resize", "encode")]
        print(f"| {group} | {' | '.join(f'{mean:.1f}' for mean in means)} |")
    quality(binary, corpus, node)


def row(group, results):
    mean = lambda files: statistics.mean(file["cpu_ms"] for file in files)
    per_round = {name: [mean(one) for one in rounds] for name, rounds in results.items()}
    middle = {name: statistics.median(values) for name, values in per_round.items()}
    cells = [f"{middle[name]:.0f} ({min(values):.0f}-{max(values):.0f})" for name, values in per_round.items()]
    ours, cascade, persize = middle.values()
    floor = statistics.median(statistics.mean(file["floor_ms"] for file in one) for one in results["darkroom"])
    size = {name: sum(sum(file["bytes"]) for file in rounds[0]) for name, rounds in results.items()}
    ratio = 100 * size["darkroom"] / size["sharp, cascade"]
    floors = (f"{floor:.0f}", f"{ours / floor:.2f}") if floor else ("", "")
    print(f"| {group} | {' | '.join(cells)} | {floors[0]} | {cascade / ours:.2f} | {persize / ours:.2f} | {floors[1]} |"
          f" {ratio:.0f}% |", flush=True)


def quality(binary, corpus, node):
    print("\n| files | size | darkroom PSNR | sharp PSNR | darkroom SSIM | sharp SSIM |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = Path(scratch, "darkroom"), Path(scratch, "sharp")
        ours.mkdir(), theirs.mkdir()
        for group, pattern in GROUPS.items():
            files = sorted(corpus.glob(pattern))
            if not files:
                continue
            run([binary, "write", ours, *files])
            run(["node", HERE / "sharp.mjs", "write", "cascade", theirs, *files], cwd=node)
            for size in ("large", "medium", "small"):
                scores = [judge(file, folder, size) for folder in (ours, theirs) for file in files]
                half = len(files)
                mean = lambda part, key: statistics.mean(score[key] for score in part)
                print(f"| {group} | {size} | {mean(scores[:half], 'psnr'):.2f} | {mean(scores[half:], 'psnr'):.2f} |"
                      f" {mean(scores[:half], 'ssim'):.4f} | {mean(scores[half:], 'ssim'):.4f} |", flush=True)


def judge(file, folder, size):
    thumbnail = folder / f"{file.stem}_{size}{file.suffix}"
    return lines(run([sys.executable, HERE / "quality.py", file, thumbnail], env=dict(os.environ)))[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve(), *map(int, sys.argv[4:]))
