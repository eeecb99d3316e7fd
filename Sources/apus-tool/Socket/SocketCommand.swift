import Apus
import ApusWebSocket
import ArgumentParser
import Dispatch

/// `apus ws`: a web socket; lines of the standard input go out, messages are printed.
struct SocketCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ws",
        abstract: "Open a web socket: send the lines of the standard input, print the messages.",
        discussion:
            "A text is printed with a line's end, a binary message as it is. At the input's end "
            + "the web socket is closed, after the messages that still arrive. Exits with 0 only "
            + "when it ended by a closing handshake of code 1000 or 1001.")

    @Option(
        name: [.customShort("H"), .customLong("header")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A field of the handshake, as 'Name: value'; repeat for more.", valueName: "field"))
    var fields: [String] = []

    @Option(
        help: ArgumentHelp(
            "A subprotocol to offer; repeat for more, the preferred one first.",
            valueName: "name"))
    var subprotocol: [String] = []

    @Flag(help: "Offer compression (permessage-deflate).")
    var compressed = false

    @Option(
        help: ArgumentHelp("The largest message to accept, in bytes.", valueName: "bytes"))
    var maxMessageSize = 16 * 1024 * 1024

    @OptionGroup(title: "Connection") var connection: ConnectionArguments
    @OptionGroup(title: "Proxies") var proxies: ProxyArguments

    @Argument(help: "A ws:// or wss:// URL.")
    var url: String

    func run() async throws {
        let request = try request()
        let engine: TransportEngine
        let tuning = connection.tuning(concurrency: 1)
        do {
            engine = try TransportEngine(tuning)
        } catch let error as InvalidTuning {
            throw ValidationError(error.description)
        }
        let console = Console()
        var code: Int32 = 0
        do throws(WebSocketError) {
            try await converse(
                request, over: engine,
                options(for: request, proxy: try? proxies.setting(roots: tuning.tls.roots)))
        } catch {
            code = 1
            console.line("apus: \(error)")
            if let response = error.response { await printBody(of: response) }
        }
        await engine.shutdown(drain: .zero)
        if code != 0 { throw ExitCode(code) }
    }

    private func request() throws -> HTTPRequest {
        var headerFields = HTTPFields()
        for text in fields {
            if let field = try RequestArguments.field(parsing: text) { headerFields.append(field) }
        }
        let isSocketURL = url.lowercased().hasPrefix("ws")
        do throws(TransportError) {
            return try HTTPRequest(
                .get, url: isSocketURL ? "http" + url.dropFirst(2) : url, fields: headerFields)
        } catch {
            throw ValidationError("\(withoutCredentials(url)): \(error.message)")
        }
    }

    private func options(for request: HTTPRequest, proxy: ProxySetting?) -> WebSocketOptions {
        var options = WebSocketOptions()
        options.subprotocols = subprotocol
        options.compression = compressed ? .init() : nil
        options.maxMessageSize = maxMessageSize
        options.maxFrameSize = maxMessageSize
        options.version = connection.http2 || connection.http2PriorKnowledge ? .http2 : .http1
        options.request = connection.options()
        let scheme = request.scheme == "https" ? Scheme.https : .http
        if let authority = request.authority,
            let origin = try? Origin(scheme: scheme, authority: authority)
        {
            options.request.connectTo = connection.target(for: origin)
        }
        if options.version == .http1 {
            options.request.versions = .http1Only(alpn: connection.isWithoutALPN ? .omit : .http1)
        }
        options.request.isolation = connection.isolation.map { IsolationScope($0) }
        if let proxy { options.request.proxy = proxy }
        return options
    }

    /// Sends lines by a task of its own, and prints messages until the end.
    private func converse(
        _ request: HTTPRequest, over engine: TransportEngine, _ options: WebSocketOptions
    ) async throws(WebSocketError) {
        let socket = try await WebSocket.connect(request, over: engine, options: options)
        let sending = Task {
            while let line = await nextLine() { try await socket.send(line) }
            try await socket.close()
        }
        defer { sending.cancel() }
        for try await message in socket.messages {
            switch message {
            case .text(let text): write(Array((text + "\n").utf8))
            case .binary(let bytes): write(bytes.array)
            }
        }
    }

    private func printBody(of response: Response) async {
        guard let body = try? await response.body.collect(upTo: 1 << 20) else { return }
        write(body.array)
    }

    private func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { _ = writeWhole($0, to: 1) }
    }

    /// The next line of the standard input, read off Swift's pool, since reading blocks.
    private func nextLine() async -> String? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: readLine()) }
        }
    }
}
