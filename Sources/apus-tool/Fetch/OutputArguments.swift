import ArgumentParser

/// Options of the output: `-o`, `-i`, `-v`, `--json`.
struct OutputArguments: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp(
            "Write the body to this file; the second -o is for the second URL, and so on.",
            valueName: "file"))
    var files: [String] = []

    @Flag(name: [.customShort("i"), .long], help: "Write the response's head before its body.")
    var include = false

    @Flag(
        name: [.customShort("v"), .long], help: "Print each step of an exchange on standard error.")
    var verbose = false

    @Flag(help: "One line of JSON per exchange on standard output; bodies only go where -o says.")
    var json = false

    @Flag(
        help: ArgumentHelp(
            "Print a line for each event of an event stream, in place of the body."))
    var events = false

    /// The file for the body of one exchange: each file is written in the first round only.
    ///
    /// `nil` discards the body. Lines of events are lines of JSON too, where those are wanted.
    func file(forURL index: Int, round: Int, holdsEvents: Bool) -> String? {
        if index < files.count { return round == 0 ? files[index] : nil }
        return json && !holdsEvents ? nil : "-"
    }

    /// Whether bodies and a line of progress could share the terminal.
    func writesBodiesToStandardOutput(urls: Int) -> Bool {
        (!json || events) && (files.count < urls || files.contains("-"))
    }
}
