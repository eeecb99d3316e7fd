import ArgumentParser

/// The tool, for first experiments and for debugging.
@main
struct ApusTool: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "An HTTP/1.1 and HTTP/2 client transport, from the command line.",
        subcommands: [
            FetchCommand.self, LoadCommand.self, ServeCommand.self, DemoCommand.self,
            MeasureCommand.self, SocketCommand.self,
        ])
}
