import ArgumentParser

/// `apus measure`: figures about HTTP/2 that no test may depend on, because they are times.
struct MeasureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measure what windows and slow readers do, against loopback servers of its own.",
        subcommands: [DelayCommand.self, ReadersCommand.self])
}
