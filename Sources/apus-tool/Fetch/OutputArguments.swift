import ArgumentParser

/// Where answers go: `-o`, `-i`, `-v`, `--json`.
struct OutputArguments: ParsableArguments {
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp(
            "Write the body to this file; the second -o is for the second URL, and so on.",
            valueName: "file"))
    var files: [String] = []

    @Flag(name: [.customShort("i"), .long], help: "Write the response's head before its body.")
    var include = false

    @Flag(name: [.customShort("v"), .long], help: "Tell each exchange's story on standard error.")
    var verbose = false

    @Flag(help: "One line of JSON per exchange on standard output; bodies only go where -o says.")
    var json = false

    /// The file for one exchange's body: the URL's own on its first round, else nowhere twice.
    ///
    /// `nil` throws the body away.
    func file(forURL index: Int, round: Int) -> String? {
        if index < files.count { return round == 0 ? files[index] : nil }
        return json ? nil : "-"
    }

    /// Whether bodies and a line of progress could fall on the same screen.
    func writesBodiesToStandardOutput(urls: Int) -> Bool {
        !json && (files.count < urls || files.contains("-"))
    }
}
