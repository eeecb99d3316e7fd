import Foundation
import Loopback
import Testing

/// The real proxies that the suite goes through, one process of each, started when first needed.
enum RealProxy: String, CaseIterable, StartedProgram {
    case squid, tinyproxy, haproxy, microsocks, dante, nghttpx, mitmproxy

    /// The program's name, as one would install it.
    var program: String {
        switch self {
        case .dante: "danted"
        case .mitmproxy: "mitmdump"
        default: rawValue
        }
    }

    var name: String { rawValue }
    var needs: String { program }
    var isInstalled: Bool {
        let needsSquid = self == .haproxy || self == .nghttpx
        return Programs.path(program) != nil && (!needsSquid || RealProxy.squid.isInstalled)
    }

    func running() throws -> RunningServer {
        switch self {
        case .squid: try Self.runningSquid.get()
        case .tinyproxy: try Self.runningTinyproxy.get()
        case .haproxy: try Self.runningHAProxy.get()
        case .microsocks: try Self.runningMicrosocks.get()
        case .dante: try Self.runningDante.get()
        case .nghttpx: try Self.runningNghttpx.get()
        case .mitmproxy: try Self.runningMitmproxy.get()
        }
    }

    private static let runningSquid = start(.squid, ports: ["PLAIN", "OPEN"])
    private static let runningTinyproxy = start(.tinyproxy, ports: ["PORT"])
    private static let runningHAProxy = start(.haproxy, ports: ["TLS", "H2"])
    private static let runningMicrosocks = start(.microsocks, ports: ["PORT"])
    private static let runningDante = start(.dante, ports: ["PORT"])
    private static let runningNghttpx = start(.nghttpx, ports: ["H2"])
    private static let runningMitmproxy = start(.mitmproxy, ports: ["PORT"])

    /// The folder of a proxy's own files.
    var folder: String {
        get throws { try ServedFiles.temporaryFolder.get() + "/\(rawValue)" }
    }

    private static func start(
        _ proxy: RealProxy, ports: [String]
    ) -> Result<RunningServer, any Error> {
        Result {
            try FixturePaths.ensureCertificates()
            return try RunningServer.start(
                .init(name: proxy.rawValue, portNames: ports, command: proxy.command))
        }
    }

    /// Fills the template; the command that runs the proxy with it.
    private func command(ports: [String: UInt16], folder: String) throws -> [String] {
        guard let path = Programs.path(program) else {
            throw ChildProcess.Failure(description: "\(program) is not installed")
        }
        let certificate = FixturePaths.certificate("leaf")
        var values = [
            "FOLDER": folder, "CA": FixturePaths.pem("ca"),
            "CERTIFICATE": certificate.chain, "KEY": certificate.key,
        ]
        for (name, port) in ports { values[name] = String(port) }
        if self == .haproxy || self == .nghttpx {
            let squid = try RealProxy.squid.running()
            values["SQUID"] = squid.ports["PLAIN"].map { "\($0)" }
            values["SQUID_OPEN"] = squid.ports["OPEN"].map { "\($0)" }
        }
        if self == .squid {
            // It runs its helper as another user, who may not be let into this checkout.
            let login = try String(
                contentsOfFile: "\(RealServer.fixtures)/squid-login", encoding: .utf8)
            try login.write(toFile: "\(folder)/squid-login", atomically: true, encoding: .utf8)
            chmod("\(folder)/squid-login", 0o644)
        }
        if self == .haproxy {
            // It wants chain and key in one file.
            let both =
                try String(contentsOfFile: certificate.chain, encoding: .utf8)
                + String(contentsOfFile: certificate.key, encoding: .utf8)
            try both.write(toFile: "\(folder)/both.pem", atomically: true, encoding: .utf8)
        }
        let text = try RealServer.fill("\(RealServer.fixtures)/\(template)", with: values)
        guard template.hasSuffix(".conf.in") else {
            return [path]
                + text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
        }
        let configuration = "\(folder)/\(rawValue).conf"
        try text.write(toFile: configuration, atomically: true, encoding: .utf8)
        switch self {
        case .squid:
            let name = "apus\(ports["PLAIN"] ?? 0)"
            return ["\(RealServer.fixtures)/squid-run", path, name, configuration]
        case .tinyproxy: return [path, "-d", "-c", configuration]
        case .dante: return [path, "-f", configuration, "-p", "\(folder)/dante.pid"]
        default: return [path, "-f", configuration]
        }
    }

    private var template: String {
        switch self {
        case .squid, .tinyproxy, .haproxy, .dante: "\(rawValue).conf.in"
        case .microsocks, .nghttpx, .mitmproxy: "\(rawValue).arguments.in"
        }
    }
}
