import FoundationEssentials
import Gateway
import Glibc
import Logging

// The gateway as a program: `gateway-server gateway.yaml`.
guard CommandLine.arguments.count == 2 else {
    print("usage: gateway-server FILE.yaml")
    exit(2)
}
do {
    let text = try String(contentsOfFile: CommandLine.arguments[1], encoding: .utf8)
    let gateway = try Gateway(GatewayConfiguration(yaml: text), logger: Logger(label: "gateway"))
    try await gateway.run { port in
        print("listening on port \(port)")
        // The reader of a pipe is not to wait for a full buffer.
        fflush(nil)
    }
} catch {
    print("gateway-server: \(error)")
    exit(1)
}
