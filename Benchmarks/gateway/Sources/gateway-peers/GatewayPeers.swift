import ArgumentParser
import Glibc

/// What is around a candidate: the origin with its proxies, and the loads of clients.
@main struct GatewayPeers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gateway-peers", subcommands: [Serve.self, Streams.self, Requests.self])
}

/// Writes a line of JSON for the script that reads it.
func report(_ line: String) {
    print(line)
    fflush(nil)
}

/// Waits for the script: until it writes a line or closes the standard input.
///
/// It blocks its thread, on which nothing else waits: NIO has threads of its own.
func waitForScript() {
    _ = readLine()
}
