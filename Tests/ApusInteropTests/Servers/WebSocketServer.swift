import Foundation
import Loopback

/// The server on the library websockets, which `.ci/install` takes from PyPI.
enum WebSocketServer: StartedProgram {
    case websockets

    var name: String { "websockets" }
    var needs: String { "websockets for python3" }

    /// The interpreter of the virtual environment.
    private static var python: String? { Programs.own("python3") }

    private static let isThere: Bool = {
        guard let python,
            let process = try? ChildProcess(
                python, ["-c", "import websockets"], output: "/dev/null")
        else { return false }
        return process.waitBlocking() == 0
    }()

    var isInstalled: Bool { Self.isThere }

    func running() throws -> RunningServer { try Self.server.get() }

    private static let server = Result {
        try FixturePaths.ensureCertificates()
        return try RunningServer.start(
            .init(name: "websockets", portNames: ["TLS", "PLAIN"], command: command))
    }

    private static func command(ports: [String: UInt16], folder: String) throws -> [String] {
        guard let python else {
            throw ChildProcess.Failure(description: "there is no virtual environment")
        }
        let certificate = FixturePaths.certificate("leaf")
        var values = [
            "WEBSOCKETS": "\(RealServer.fixtures)/websocketserver.py",
            "CERTIFICATE": certificate.chain, "KEY": certificate.key,
        ]
        for (name, port) in ports { values[name] = String(port) }
        let text = try RealServer.fill(
            "\(RealServer.fixtures)/websockets.arguments.in", with: values)
        return [python]
            + text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
    }
}
