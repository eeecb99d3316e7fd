import ArgumentParser

/// `apus measure`: figures that no test may depend on, because they are times.
struct MeasureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measure windows, slow readers and cancelling, against loopback servers.",
        subcommands: [CancelCommand.self, DelayCommand.self, ReadersCommand.self])
}
