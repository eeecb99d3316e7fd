import Apus
import ArgumentParser

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// `apus demo`: a table of requests whose cheap clients share one pool.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Send requests over every protocol and route, each through its own client.")

    @Option(help: ArgumentHelp("Requests per row.", valueName: "n"))
    var requests = 200

    @Option(help: ArgumentHelp("Requests at once.", valueName: "n"))
    var concurrency = 16

    @Option(help: ArgumentHelp("A folder with ca.pem, leaf.pem, leaf.key.", valueName: "folder"))
    var certs: String?

    func validate() throws {
        guard (1...1_000_000).contains(requests) else {
            throw ValidationError("--requests: \(requests) is not in 1...1000000")
        }
        guard (1...1000).contains(concurrency) else {
            throw ValidationError("--concurrency: \(concurrency) is not in 1...1000")
        }
    }

    func run() async throws {
        let certificates = try LoopbackServers.Certificates(folder: certs)
        let servers = try LoopbackServers(certificates: certificates, port: 0)
        defer { servers.stop() }
        let nginx = try NginxProcess.start(certificates: certificates)
        defer { nginx?.stop() }
        var tuning = EngineTuning.executor
        tuning.tls.roots = .file(certificates.authority)
        // One engine for the whole table: each row finds its own connections by their route.
        let engine = try TransportEngine(tuning)
        let table = DemoTable()
        table.printHead()
        var results: [DemoResult] = []
        for route in DemoRoute.all(servers: servers, nginx: nginx) {
            let result = await DemoRun(engine: engine, route: route)
                .measure(requests: requests, concurrency: concurrency)
            table.print(route, result)
            results.append(result)
        }
        if nginx == nil { table.note("nginx is not installed; its rows are skipped.") }
        table.printFoot(results)
        await engine.shutdown(drain: .seconds(1))
        if results.contains(where: { $0.errors > 0 }) { throw ExitCode(1) }
    }
}
