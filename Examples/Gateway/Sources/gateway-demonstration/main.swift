import Apus
import ApusContent
import Foundation
import GatewayFixtures

// `gateway-demonstration [--keep | --soak SECONDS | --origin PORT]`: the gateway on loopback, with
// an origin, proxies and clients of its own; or that origin alone.
let arguments = Array(CommandLine.arguments.dropFirst())
let number = arguments.dropFirst().first.flatMap(Int.init)
switch (arguments.first, number) {
case ("--origin", let port?):
    try await DemonstrationOrigin.serve(port: port)
case (nil, _), ("--keep", nil), ("--soak", .some):
    let isGood: Bool
    do {
        isGood = try await run(keeps: arguments.first == "--keep", soak: number)
    } catch {
        print("gateway-demonstration: \(error)")
        isGood = false
    }
    exit(isGood ? 0 : 1)
default:
    print("usage: gateway-demonstration [--keep | --soak SECONDS | --origin PORT]")
    exit(2)
}

/// Starts everything, and shows the table or runs the load.
///
/// - Returns: whether all was as expected.
func run(keeps: Bool, soak: Int?) async throws -> Bool {
    let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("gateway-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { if !keeps { try? FileManager.default.removeItem(at: folder) } }
    let proxies = [try await SOCKSProxy(), try await SOCKSProxy(), try await SOCKSProxy()]
    // Nothing listens at the last proxy's address any more.
    await proxies[2].stop()

    var tuning = EngineTuning.default
    tuning.pool.maxIdlePerHost = nil
    tuning.pool.maxIdle = nil
    let engine = try TransportEngine(tuning)
    func start(_ originPort: Int) throws -> (GatewayProcess, GatewayClient) {
        let configuration = DemonstrationConfiguration(
            origin: "http://127.0.0.1:\(originPort)", proxies: proxies.map(\.url))
        let gateway = try GatewayProcess(
            yaml: configuration.yaml, in: folder, keepsLog: soak == nil)
        return (gateway, GatewayClient(gateway: gateway.url, transport: Decoding(engine)))
    }

    let isGood: Bool
    if let soak {
        let origin = try DemonstrationOrigin.startProcess()
        let (gateway, client) = try start(origin.port)
        isGood = try await Soak(gateway, client, origin: origin).run(seconds: soak)
        gateway.terminate()
        _ = await gateway.wait()
    } else {
        let origin = try await DemonstrationOrigin.start()
        let (gateway, client) = try start(origin.port)
        let demonstration = Demonstration(origin: origin, gateway: gateway, client: client)
        isGood = try await show(demonstration, keepingLogIn: keeps ? folder : nil)
        await origin.cut()
    }
    await engine.shutdown()
    for proxy in proxies { await proxy.stop() }
    return isGood
}

/// Shows each path that a request can take; with a folder, waits before the last one.
///
/// - Returns: whether all was as expected.
func show(_ demonstration: Demonstration, keepingLogIn folder: URL?) async throws -> Bool {
    var rows = try await demonstration.run()
    if let folder {
        print("status page: \(demonstration.gateway.url)/status")
        print("log: \(folder.path)/gateway.log")
        print("Press return to drain and end it.")
        fflush(nil)
        _ = readLine()
    }
    rows.append(try await demonstration.drained())
    for row in rows {
        let name = row.name.padding(toLength: 10, withPad: " ", startingAt: 0)
        print(row.isAsExpected ? "ok  " : "FAIL", name, row.result)
    }
    return rows.allSatisfy(\.isAsExpected)
}
