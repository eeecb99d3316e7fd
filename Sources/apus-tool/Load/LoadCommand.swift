import Apus
import ArgumentParser

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// `apus load`: the client of Apus for the benchmarks.
struct LoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Send many requests and print their cost as one line of JSON.")

    /// The kind of request, and what is counted.
    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case get, post, download, sse, idle, hold, churn
    }

    /// The version that every response must have.
    enum Version: String, ExpressibleByArgument, CaseIterable {
        case h1, h2
    }

    /// The executor of the workers' tasks.
    enum Executor: String, ExpressibleByArgument, CaseIterable {
        /// On the engine's own threads: a request never changes threads.
        case loop
        /// On Swift's pool, as a program's other tasks do.
        case global
    }

    @Option(help: "The URL; repeat to take turns.")
    var url: [String]

    @Option(help: "The only version to use.")
    var proto = Version.h1

    @Option(name: .customLong("ca"), help: "Trust only the certificates in this file.")
    var authorities: String?

    @Option(help: "Workers, each with one request at a time.")
    var concurrency = 1

    @Option(help: "Requests that are measured.")
    var requests = 1

    @Option(help: "The kind of requests.")
    var mode = Mode.get

    @Option(help: "The size of each posted body.")
    var bodyBytes = 0

    @Option(help: "A proxy's URL.")
    var proxy: String?

    @Option(help: "Requests before the measured ones.")
    var warmup = 0

    @Flag(
        name: .customLong("no-keepalive"), help: "A connection for each request, closed after it.")
    var isWithoutKeepAlive = false

    @Option(help: "1 resumes TLS sessions.")
    var resume = 0

    @Flag(help: "Print the pool's state on the standard error every second, and its counters.")
    var explain = false

    @Flag(help: "With sse: parse the events, instead of counting two line feeds to each.")
    var events = false

    @Option(help: "The engine's event loops; the workers are spread over them.")
    var loops = 1

    @Option(help: "Isolation scopes, as of so many credentials, which requests use in turn.")
    var scopes = 0

    @Option(help: "A name for the output.")
    var scenario = ""

    @Option(help: "Default: the environment's APUS_LOAD_EXECUTOR, else loop.")
    var executor: Executor?

    func validate() throws {
        guard !url.isEmpty else { throw ValidationError("--url is missing") }
        if events, mode != .sse { throw ValidationError("--events needs --mode sse") }
        for (name, value, range) in [
            ("concurrency", concurrency, 1...1_000_000), ("requests", requests, 1...1_000_000_000),
            ("warmup", warmup, 0...1_000_000_000), ("body-bytes", bodyBytes, 0...1 << 30),
            ("resume", resume, 0...1), ("loops", loops, 1...1024),
            ("scopes", scopes, 0...1_000_000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name): \(value) is not in \(range)")
        }
    }

    func run() async throws {
        var plan = try plan()
        let engine: TransportEngine
        do {
            engine = try TransportEngine(tuning)
        } catch let error as InvalidTuning {
            throw ValidationError(error.description)
        }
        let explanation = explain ? LoadExplanation(engine) : nil
        plan.explanation = explanation
        let watch = explanation.map { explanation in Task { await explanation.watch() } }
        let run = LoadRun(engine: engine, plan: plan)
        let line =
            switch mode {
            case .idle: await run.measureIdle()
            case .hold: await run.measureHold()
            case .churn: await run.measureChurn(requests)
            case .get, .post, .download, .sse:
                await run.measureRequests(requests, warmup: warmup)
            }
        watch?.cancel()
        explanation?.conclude()
        try FileOutput.standardOutput.write(line.text + "\n")
        await engine.shutdown(drain: .zero)
        if run.errors > 0 { throw ExitCode(1) }
    }

    /// The settings of an engine that must not limit what is measured.
    private var tuning: EngineTuning {
        var tuning = EngineTuning.executor
        tuning.eventLoops = loops
        tuning.pool.maxIdle = nil
        tuning.pool.maxIdlePerHost = nil
        tuning.pool.maxWaitersPerHost = max(1024, concurrency)
        tuning.pool.acquireTimeout = nil
        tuning.dial.tcpTimeout = .seconds(30)
        tuning.dial.tlsTimeout = .seconds(30)
        tuning.dial.proxyTimeout = .seconds(30)
        tuning.dial.connectTimeout = .seconds(60)
        if let authorities { tuning.tls.roots = .file(authorities) }
        tuning.tls.resumption = resume == 1
        tuning.http2.maxConnectionsPerHost = max(8, concurrency)
        return tuning
    }

    private func plan() throws -> LoadPlan {
        var fields = HTTPFields()
        if mode == .post { fields[.contentType] = "application/json" }
        let requests: [HTTPRequest]
        do throws(TransportError) {
            requests = try url.map { url throws(TransportError) in
                try HTTPRequest(mode == .post ? .post : .get, url: url, fields: fields)
            }
        } catch {
            throw ValidationError("--url: \(error.message)")
        }
        let setting: ProxySetting
        do throws(InvalidProxy) {
            setting = try ProxySetting(parsing: proxy ?? "")
        } catch {
            throw ValidationError("--proxy: \(error)")
        }
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: mode == .post ? bodyBytes : 0)
        return LoadPlan(
            requests: requests, body: body.isEmpty ? .empty : .bytes(Bytes(body)), proxy: setting,
            version: proto == .h2 ? .http2 : .http1,
            versions: proto == .h2 ? .http2Only : .http1Only(alpn: .http1),
            concurrency: concurrency, scopes: scopes, isOneShot: isWithoutKeepAlive,
            countsEvents: !events && (mode == .sse || mode == .hold), parsesEvents: events,
            runsOnLoop: (executor ?? environmentExecutor) == .loop, scenario: scenario)
    }

    private var environmentExecutor: Executor {
        environment("APUS_LOAD_EXECUTOR").flatMap(Executor.init) ?? .loop
    }
}

/// Reads one variable of the environment, which only the tool may read.
func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}
