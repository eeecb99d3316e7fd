"""The tables of `run`: medians of all rounds, and the goals."""
import statistics

# Figure: (what the table calls it, format)
FIGURES = {
    "rss": ("memory, MB", "{:.1f}"),
    "growth": ("memory for each, kB", "{:.1f}"),
    "cpu": ("CPU for each {unit}, µs", "{:.1f}"),
    "p50": ("{time}, median, ms", "{:.2f}"),
    "p99": ("{time}, p99, ms", "{:.2f}"),
    "descriptors": ("descriptors", "{:.0f}"),
    "logins": ("logins seen at the proxies", "{:.0f}"),
    "failed": ("failed", "{:.0f}"),
}


def median(values, scenario, name, figure):
    """The median of all rounds; of failures the sum."""
    row = values.get((scenario.name, name, figure))
    if row is None:
        return None
    return sum(row) if figure == "failed" else statistics.median(row)


def table(values, candidates, chosen):
    lines = ["| scenario | figure | " + " | ".join(each.title for each in candidates.values()) + " |"]
    lines.append("|---|---|" + "---:|" * len(candidates))
    for scenario in chosen:
        title = scenario.title
        for figure, (_, form) in FIGURES.items():
            row = [median(values, scenario, name, figure) for name in candidates]
            if all(value is None for value in row) or (figure == "failed" and not any(row)):
                continue
            cells = ["–" if value is None else form.format(value) for value in row]
            lines.append(f"| {title} | {scenario.label(figure)} | " + " | ".join(cells) + " |")
            title = ""
    return "\n".join(lines)


def goals(values, chosen):
    """The goals for paced streams, each with its figure."""
    lines = ["| scenario | CPU for each event / Go's (below 1) | memory for each stream / AsyncHTTPClient's"
             " (up to 0.33) | first event - nginx's, ms (up to 0.5) |", "|---|---:|---:|---:|"]
    for scenario in chosen:
        if "streams" not in scenario.name:
            continue

        def compared(figure, other, combine):
            pair = median(values, scenario, "apus", figure), median(values, scenario, other, figure)
            return "–" if None in pair else f"{combine(*pair):.2f}"

        ratio = lambda ours, theirs: ours / theirs
        lines.append(
            f"| {scenario.title} | {compared('cpu', 'go', ratio)} | {compared('growth', 'ahc', ratio)}"
            f" | {compared('p50', 'nginx', lambda ours, theirs: ours - theirs)} |")
    return "\n".join(lines)


def write(text, page):
    """Puts the tables into a page, between its two marks."""
    with open(page) as file:
        before, rest = file.read().split("<!-- gateway -->\n", 1)
    after = rest.split("<!-- /gateway -->", 1)[1]
    with open(page, "w") as file:
        file.write(f"{before}<!-- gateway -->\n{text}\n<!-- /gateway -->{after}")
