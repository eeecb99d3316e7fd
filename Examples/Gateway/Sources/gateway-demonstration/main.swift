import Apus
import ApusContent
import Foundation
import GatewayFixtures

// `gateway-demonstration [--keep | --soak SECONDS]`: the gateway on loopback, with an origin,
// proxies and clients of its own.
let arguments = Array(CommandLine.arguments.dropFirst())
let soak = arguments.first == "--soak" ? arguments.dropFirst().first.flatMap(Int.init) : nil
guard arguments.isEmpty || arguments == ["--keep"] || soak != nil else {
    print("usage: gateway-demonstration [--keep | --soak SECONDS]")
    exit(2)
}

let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("gateway-\(ProcessInfo.processInfo.processIdentifier)")
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)

let origin = try await DemonstrationOrigin.start()
let proxies = [try await SOCKSProxy(), try await SOCKSProxy(), try await SOCKSProxy()]
// Nothing listens at the last proxy's address any more.
await proxies[2].stop()
let configuration = DemonstrationConfiguration(origin: origin.url, proxies: proxies.map(\.url))

let gateway = try GatewayProcess(
    yaml: configuration.yaml, in: folder, keepsLog: soak == nil)
var tuning = EngineTuning.default
tuning.pool.maxIdlePerHost = nil
tuning.pool.maxIdle = nil
let engine = try TransportEngine(tuning)
let demonstration = Demonstration(origin: origin, gateway: gateway, client: Decoding(engine))

/// Runs the load, or shows the table; returns whether all was as expected.
func run() async throws -> Bool {
    if let soak { return try await Soak(demonstration).run(seconds: soak) }
    var rows = try await demonstration.run()
    if arguments == ["--keep"] {
        print("status page: \(gateway.url)/status", "log: \(folder.path)/gateway.log")
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

var isGood = false
do {
    isGood = try await run()
} catch {
    print("gateway-demonstration: \(error)")
}
gateway.terminate()
_ = await gateway.wait()
await engine.shutdown()
await origin.cut()
if arguments != ["--keep"] { try FileManager.default.removeItem(at: folder) }
exit(isGood ? 0 : 1)
