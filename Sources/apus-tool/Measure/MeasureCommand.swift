import ArgumentParser

/// `apus measure`: durations, on which no test may depend.
struct MeasureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measure windows, slow readers and cancelling, against loopback servers.",
        subcommands: [CancelCommand.self, DelayCommand.self, ReadersCommand.self])
}
