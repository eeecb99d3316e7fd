/// The demonstration's table, printed line by line.
struct DemoTable {
    private let columns: [(title: String, width: Int)] = [
        ("protocol", 18), ("server", 9), ("route", 8), ("requests", 9), ("clients", 8),
        ("connections", 12), ("reuse", 7), ("median", 10), ("p99", 10), ("errors", 7),
    ]
    /// The number of text columns, which are aligned to the left.
    private let words = 3

    func printHead() {
        say("")
        say(line(columns.map(\.title)))
        say(String(repeating: "-", count: columns.reduce(0) { $0 + $1.width }))
    }

    func print(_ route: DemoRoute, _ result: DemoResult) {
        say(
            line([
                route.protocolName, route.server, route.way, String(result.requests),
                String(result.requests), String(result.connections), result.reuse.fixed(1) + "%",
                milliseconds(result.median), milliseconds(result.percentile99),
                String(result.errors),
            ]))
    }

    func note(_ text: String) {
        say(text)
    }

    /// One line that says what the table shows.
    func printFoot(_ results: [DemoResult]) {
        let requests = results.reduce(0) { $0 + $1.requests }
        let connections = results.reduce(0) { $0 + $1.connections }
        let errors = results.reduce(0) { $0 + $1.errors }
        say("")
        if errors > 0 {
            say("\(errors) of \(requests) requests failed; the first errors are above.")
            return
        }
        say(
            "\(requests) requests, each through its own client, opened \(connections) "
                + "connections: clients share the engine's one pool.")
    }

    /// Writes at once, into a pipe too; a closed pipe ends the output silently.
    private func say(_ text: String) {
        try? FileOutput.standardOutput.write(text + "\n")
    }

    private func line(_ cells: [String]) -> String {
        var line = ""
        for (index, (cell, column)) in zip(cells, columns).enumerated() {
            line +=
                index < words
                ? cell.padded(toLeft: column.width) : cell.padded(toRight: column.width)
        }
        return line
    }

    private func milliseconds(_ microseconds: Double) -> String {
        (microseconds / 1000).fixed(2) + " ms"
    }
}
