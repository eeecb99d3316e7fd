import Apus

/// The status report as a page that refreshes itself, without a script.
struct StatusPage {
    /// The most connections that the page lists.
    static let maxConnections = 12

    private let report: StatusReport

    init(_ report: StatusReport) {
        self.report = report
    }

    var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
        <meta name="viewport" content="width=device-width"><title>Gateway</title>
        <style>\(Self.style)</style></head><body>
        <header><h1>Gateway</h1><p>up \(uptime) · refreshes every 2 s ·
        <a href="/metrics">metrics</a></p></header>
        <section class="tiles">\(tiles)</section>
        <h2>Credentials</h2>\(credentials)
        <h2>Proxies</h2>\(proxies)
        <h2>Last requests</h2>\(requests)
        <h2>Routes</h2>\(routes)
        <h2>Connections</h2>\(connections)
        </body></html>

        """
    }

    private var uptime: String {
        let seconds = Int(report.uptimeSeconds)
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return hours > 0 ? "\(hours) h \(minutes) min" : "\(minutes) min \(seconds % 60) s"
    }

    private var tiles: String {
        let snapshots = report.engines.map(\.snapshot)
        func sum(_ number: (EngineSnapshot) -> Int) -> Int { snapshots.map(number).reduce(0, +) }
        let totals = report.totals
        let numbers: [(String, Int, String)] = [
            ("requests now", totals.active, ""), ("complete", totals.complete, "good"),
            ("clients gone", totals.clientGone, ""), ("failed", totals.failed, "bad"),
            ("rotated", totals.rotated, ""), ("connections", sum(\.connections), ""),
            ("idle", sum(\.idle), ""), ("dialling", sum(\.dialling), ""),
            ("waiters", sum(\.waiting), "bad"), ("reused", sum(\.reuses), "good"),
            ("input tokens", totals.usage.input, ""), ("output tokens", totals.usage.output, ""),
        ]
        return numbers.map { label, number, tone in
            "<div class=\"tile \(number == 0 ? "" : tone)\"><b>\(number.grouped)</b>\(label)</div>"
        }.joined()
    }

    private var credentials: String {
        table(
            ["upstream", "credential", "way", "failures", "state"],
            report.upstreams.flatMap { upstream in
                upstream.credentials.map { credential in
                    let back = credential.failures == 0 ? "healthy" : "in use again"
                    let state =
                        credential.asideSeconds.map {
                            mark("bad", "aside for \($0.rounded(places: 1)) s")
                        } ?? mark("good", back)
                    return [
                        upstream.name.escaped, credential.name.escaped, credential.proxy.escaped,
                        "\(credential.failures)", state,
                    ]
                }
            })
    }

    private var proxies: String {
        table(
            ["proxy", "opened", "failed", "state"],
            report.proxies.map { proxy in
                let error = (proxy.lastError ?? "").escaped
                let state =
                    proxy.failedInARow == 0
                    ? mark("good", "healthy")
                    : mark("bad", "\(proxy.failedInARow) failures in a row") + " \(error)"
                return [proxy.proxy.escaped, "\(proxy.opened)", "\(proxy.failed)", state]
            })
    }

    private var routes: String {
        table(
            ["engine", "route", "leased", "idle", "dialling", "waiters"],
            report.engines.flatMap { engine in
                engine.snapshot.routes.map { route in
                    let cause = route.waitingFor.map { mark("bad", "for \($0.rawValue)") } ?? ""
                    return [
                        engine.name.escaped, route.route.escaped, "\(route.leased)",
                        "\(route.idle)", "\(route.dialling)", "\(route.waiting) \(cause)",
                    ]
                }
            })
    }

    /// Those with exchanges come first.
    private var connections: String {
        let all = report.engines.flatMap { engine in
            engine.snapshot.connectionEntries.map { (engine.name, $0) }
        }.sorted { $0.1.streams > $1.1.streams }
        let rows = all.prefix(Self.maxConnections).map { name, connection in
            [
                name.escaped, "\(connection.id)", connection.route.escaped,
                mark(connection.state == .leased ? "busy" : "", connection.state.rawValue),
                (connection.protocolName ?? "").escaped, "\(connection.streams)",
                "\(connection.ageSeconds.rounded(places: 1)) s",
            ]
        }
        let rest = all.count - rows.count
        return table(
            ["engine", "number", "route", "state", "protocol", "streams", "age"], rows)
            + (rest > 0 ? "<p>and \(rest) more</p>" : "")
    }

    private var requests: String {
        table(
            ["request", "path", "credential", "tries", "status", "first byte", "time", "outcome"],
            report.recent.map { entry in
                let tone =
                    entry.outcome == .complete ? "good" : entry.outcome == .failed ? "bad" : ""
                return [
                    "\(entry.number)", "\(entry.method) \(entry.path)".escaped,
                    (entry.credential ?? "").escaped, "\(entry.tries)",
                    entry.status.map { "\($0)" } ?? "",
                    entry.firstByte.map { "\(($0 * 1000).rounded(places: 1)) ms" } ?? "",
                    "\((entry.seconds * 1000).rounded(places: 1)) ms",
                    mark(tone, entry.outcome.rawValue) + " " + entry.verdict.escaped,
                ]
            })
    }

    /// A table of cells that are HTML already.
    private func table(_ heads: [String], _ rows: [[String]]) -> String {
        guard !rows.isEmpty else { return "<p>none yet</p>" }
        let head = heads.map { "<th>\($0)</th>" }.joined()
        let body = rows.map { row in
            "<tr>" + row.map { "<td>\($0)</td>" }.joined() + "</tr>"
        }.joined(separator: "\n")
        return "<table><thead><tr>\(head)</tr></thead><tbody>\n\(body)\n</tbody></table>"
    }

    private func mark(_ tone: String, _ text: String) -> String {
        "<span class=\"mark \(tone)\">\(text.escaped)</span>"
    }

    private static let style = """
        :root{--ink:#1d2733;--soft:#64748b;--line:#e5eaf0;--good:#14804a;--bad:#b42318}
        body{font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:#f6f8fa;
        max-width:1080px;margin:0 auto;padding:20px}
        header{display:flex;align-items:baseline;gap:16px}h1{margin:0;font-size:24px}
        header p,p{color:var(--soft)}h2{font-size:15px;margin:24px 0 8px}a{color:#2563eb}
        .tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:10px}
        .tile{background:#fff;border:1px solid var(--line);border-radius:10px;padding:10px 14px;
        color:var(--soft);font-size:12px}
        .tile b{display:block;font-size:22px;color:var(--ink);font-variant-numeric:tabular-nums}
        .tile.good b{color:var(--good)}.tile.bad b{color:var(--bad)}
        table{width:100%;border-collapse:collapse;background:#fff;border:1px solid var(--line);
        border-radius:10px;overflow:hidden;font-size:13px;font-variant-numeric:tabular-nums}
        th{text-align:left;font-weight:600;color:var(--soft);background:#fbfcfd}
        th,td{padding:5px 12px;border-bottom:1px solid var(--line)}
        tr:last-child td{border-bottom:0}
        .mark{padding:1px 8px;border-radius:9px;background:#eef2f6}
        .mark.good{background:#e3f5ea;color:var(--good)}
        .mark.bad{background:#fdecea;color:var(--bad)}
        .mark.busy{background:#e0ecff;color:#1d4ed8}
        """
}

extension String {
    /// With the escapes of HTML.
    fileprivate var escaped: String {
        reduce(into: "") { text, character in
            switch character {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            default: text.append(character)
            }
        }
    }
}

extension Int {
    /// With a narrow blank between groups of three digits.
    fileprivate var grouped: String {
        let digits = Array("\(self)")
        return digits.indices.reduce(into: "") { text, index in
            if index > 0, (digits.count - index) % 3 == 0 { text += "\u{202F}" }
            text.append(digits[index])
        }
    }
}
