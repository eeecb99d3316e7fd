import ArgumentParser

/// `apus measure cancel`: how soon a cancelled caller continues and its dial ends, at each await.
struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Measure cancelling at every await of a dial and an exchange, each held there.",
        discussion: """
            "caller" is the time from the cancel of the caller's task to the error that it throws, \
            "engine" that from shutdown(drain: .zero) to its end: the same dial or exchange is cut \
            off, its socket closed, the engine's thread joined.
            """)

    @Option(help: "Cancels at each await.")
    var count = 200

    @Flag(help: "One line of JSON instead of a table.")
    var json = false

    func validate() throws {
        guard (1...100_000).contains(count) else {
            throw ValidationError("--count: \(count) is not in 1...100000")
        }
    }

    func run() async throws {
        var rows: [Row] = []
        for place in CancelPlace.allCases {
            let ground = try CancelGround(place)
            defer { ground.stop() }
            var rounds: [CancelRound] = []
            for index in 0..<count { rounds.append(try await ground.round(index)) }
            rows.append(
                Row(
                    place: place, caller: Spread(rounds.map(\.caller)),
                    engine: Spread(rounds.map(\.engine))))
        }
        try FileOutput.standardOutput.write((json ? line(rows) : table(rows)) + "\n")
    }

    private struct Row {
        let place: CancelPlace
        let caller: Spread
        let engine: Spread
    }

    private func line(_ rows: [Row]) -> String {
        let awaits = rows.map { row in
            JSON.object([
                ("await", .string(row.place.rawValue)), ("caller", row.caller.json),
                ("engine", row.engine.json),
            ])
        }
        return JSON.object([("count", .integer(count)), ("awaits", .array(awaits))]).text
    }

    private func table(_ rows: [Row]) -> String {
        let width = 24
        let heads = ["median", "p99", "max"].map { $0.padded(toRight: 9) }.joined()
        let titles = "caller, ms".padded(toRight: 27) + "engine, ms".padded(toRight: 30)
        var lines = [
            "\(count) cancels".padded(toLeft: width) + titles,
            "await".padded(toLeft: width) + heads + "   " + heads,
        ]
        lines.append(String(repeating: "-", count: width + 57))
        for row in rows {
            lines.append(
                row.place.words.padded(toLeft: width) + row.caller.text + "   " + row.engine.text)
        }
        return lines.joined(separator: "\n")
    }
}

/// Statistics of many durations.
private struct Spread {
    private let sorted: [Duration]

    /// Takes at least one duration.
    init(_ times: [Duration]) {
        sorted = times.sorted()
    }

    private var parts: [(key: String, value: Double)] {
        [("median", 0.5), ("p99", 0.99), ("max", 1)].map { name, part in
            let index = min(sorted.count - 1, Int(Double(sorted.count) * part))
            return (name, sorted[index].inSeconds * 1000)
        }
    }

    var text: String {
        parts.map { $0.value.fixed(3).padded(toRight: 9) }.joined()
    }

    var json: JSON {
        .object(parts.map { ($0.key + "_ms", .decimal($0.value, digits: 3)) })
    }
}
