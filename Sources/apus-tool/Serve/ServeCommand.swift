import ArgumentParser
import Dispatch

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// `apus serve`: the loopback origins and proxies, for experiments and scripts.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve on loopback: an origin with and without TLS, a CONNECT and a SOCKS5 "
            + "proxy.",
        discussion: "Prints the ports as one line of JSON, then serves until SIGINT or SIGTERM.")

    @Option(
        help: "The plain origin's port; the TLS origin takes the next. 0 lets the system choose.")
    var port: UInt16 = 0

    @Option(help: ArgumentHelp("A folder with ca.pem, leaf.pem, leaf.key.", valueName: "folder"))
    var certs: String?

    @Flag(help: "End when the standard input ends, as when the parent process has ended.")
    var untilStdinCloses = false

    func validate() throws {
        guard port <= 65534 else { throw ValidationError("--port: \(port) is not in 0...65534") }
    }

    func run() async throws {
        let certificates = try LoopbackServers.Certificates(folder: certs)
        // Done before the ports are printed: their reader may send a signal at once.
        let ending = Ending()
        let servers = try LoopbackServers(certificates: certificates, port: port)
        try FileOutput.standardOutput.write(servers.json.text + "\n")
        await ending.wait(orEndOfInput: untilStdinCloses)
        servers.stop()
    }
}

/// Waits for a signal or for the end of the standard input.
private final class Ending {
    private let events: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let sources: [any DispatchSourceSignal]

    init() {
        let (events, continuation) = AsyncStream.makeStream(of: Void.self)
        self.events = events
        self.continuation = continuation
        sources = [SIGINT, SIGTERM].map { number in
            // The default action would end the process before the source receives the signal.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield() }
            source.resume()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
    }

    func wait(orEndOfInput watchesInput: Bool) async {
        if watchesInput {
            let continuation = continuation
            // A separate thread: reading blocks while the input is open.
            DispatchQueue.global().async {
                while let piece = try? readPiece(of: 0, named: "standard input"), !piece.isEmpty {}
                continuation.yield()
            }
        }
        for await _ in events { return }
    }
}
