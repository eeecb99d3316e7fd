import Foundation
import Loopback
import Testing

/// The real servers that the suite talks to, one process of each, started when first needed.
enum RealServer: String, CaseIterable, StartedProgram {
    case nginx
    case nghttpd
    case nghttpdInTheClear
    case h2o
    case apache2
    case caddy
    /// Python's own.
    case httpserver
    case hyperh2
    /// HTTP/2 of its own in front of nginx.
    case haproxyFront
    /// Go's net/http.
    case goServer
    case lighttpd
    case node
    case uvicorn
    case hypercorn
    case aiohttp

    /// The folder of the templates.
    static let fixtures = FixturePaths.root + "/servers"

    /// The program's name, as one would install it.
    var program: String {
        switch self {
        case .nginx: "nginx"
        case .nghttpd, .nghttpdInTheClear: "nghttpd"
        case .h2o: "h2o"
        case .apache2: "apache2"
        case .caddy: "caddy"
        case .httpserver, .hyperh2, .uvicorn, .hypercorn, .aiohttp: "python3"
        case .haproxyFront: "haproxy"
        case .goServer: "go"
        case .lighttpd: "lighttpd"
        case .node: "node"
        }
    }

    /// What a test calls it.
    var title: String {
        switch self {
        case .hyperh2: "hyper-h2"
        case .uvicorn, .hypercorn, .aiohttp: rawValue
        default: program
        }
    }

    var name: String { rawValue }
    var needs: String { self == .hyperh2 ? "hyper-h2 for python3" : title }

    var isInstalled: Bool {
        if let hasModule = Self.modules[self] { return hasModule }
        // Its tally is that of its upstream server.
        if self == .lighttpd, !RealServer.httpserver.isInstalled { return false }
        return path != nil
    }

    /// The program; the interpreter of the virtual environment for what is installed there.
    private var path: String? {
        switch self {
        case .uvicorn, .hypercorn, .aiohttp: Programs.own(program)
        default: Programs.path(program)
        }
    }

    /// Whether the interpreter that runs the server finds its module.
    private static let modules: [RealServer: Bool] = {
        let names: [RealServer: String] = [
            .hyperh2: "h2", .uvicorn: "uvicorn", .hypercorn: "hypercorn", .aiohttp: "aiohttp",
        ]
        return Dictionary(
            uniqueKeysWithValues: names.map { server, name in
                guard let python = server.path,
                    let process = try? ChildProcess(
                        python, ["-c", "import \(name)"], output: "/dev/null")
                else { return (server, false) }
                return (server, process.waitBlocking() == 0)
            })
    }()

    func running() throws -> RunningServer {
        switch self {
        case .nginx: try Self.runningNginx.get()
        case .nghttpd: try Self.runningNghttpd.get()
        case .nghttpdInTheClear: try Self.runningNghttpdInTheClear.get()
        case .h2o: try Self.runningH2O.get()
        case .apache2: try Self.runningApache.get()
        case .caddy: try Self.runningCaddy.get()
        case .httpserver: try Self.runningHTTPServer.get()
        case .hyperh2: try Self.runningHyperH2.get()
        case .haproxyFront: try Self.runningHAProxyFront.get()
        case .goServer: try Self.runningGoServer.get()
        case .lighttpd: try Self.runningLighttpd.get()
        case .node: try Self.runningNode.get()
        case .uvicorn: try Self.runningUvicorn.get()
        case .hypercorn: try Self.runningHypercorn.get()
        case .aiohttp: try Self.runningAiohttp.get()
        }
    }

    private static let runningNginx = start(
        .nginx, ports: ["PLAIN", "TLS", "H2", "SHORT_PLAIN", "SHORT_H2"])
    private static let runningNghttpd = start(.nghttpd, ports: ["PORT"])
    private static let runningNghttpdInTheClear = start(.nghttpdInTheClear, ports: ["PORT"])
    private static let runningH2O = start(.h2o, ports: ["PLAIN", "TLS"])
    private static let runningApache = start(.apache2, ports: ["PLAIN", "TLS"])
    private static let runningCaddy = start(.caddy, ports: ["PLAIN", "TLS"])
    private static let runningHTTPServer = start(.httpserver, ports: ["PLAIN", "OLD"])
    private static let runningHyperH2 = start(.hyperh2, ports: ["TLS", "PLAIN"])
    private static let runningHAProxyFront = start(.haproxyFront, ports: ["TLS", "PLAIN"])
    private static let runningGoServer = start(.goServer, ports: ["TLS"])
    private static let runningLighttpd = start(.lighttpd, ports: ["TLS", "PLAIN"])
    private static let runningNode = start(.node, ports: ["TLS", "PLAIN"])
    private static let runningUvicorn = start(.uvicorn, ports: ["TLS", "PLAIN"])
    private static let runningHypercorn = start(.hypercorn, ports: ["TLS", "PLAIN"])
    private static let runningAiohttp = start(.aiohttp, ports: ["TLS", "PLAIN"])

    /// The loopback origin upstream of the servers: it counts uploads and sends them back.
    static let upstream = Result {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = true
        return try LoopbackServer(options)
    }

    private static func start(
        _ server: RealServer, ports: [String]
    ) -> Result<RunningServer, any Error> {
        Result {
            try FixturePaths.ensureCertificates()
            return try RunningServer.start(
                .init(name: server.rawValue, portNames: ports, command: server.command))
        }
    }

    /// Fills the template; the command that runs the server with it.
    private func command(ports: [String: UInt16], folder: String) throws -> [String] {
        guard var path else {
            throw ChildProcess.Failure(description: "\(program) is not installed")
        }
        if self == .goServer { path = try Self.builtGoServer(with: path, in: folder) }
        let certificate = FixturePaths.certificate("leaf")
        var values = try [
            "FOLDER": folder, "SITE": ServedFiles.files.get().folder,
            "CERTIFICATE": certificate.chain, "KEY": certificate.key,
            "HTTPSERVER": "\(Self.fixtures)/httpserver.py",
            "SCRIPT": "\(Self.fixtures)/hyperh2.py", "TALLY": "\(folder)/tally",
            "ASGI": "\(Self.fixtures)/asgi.py", "AIOHTTP": "\(Self.fixtures)/aiohttpserver.py",
            "NODESERVER": "\(Self.fixtures)/nodeserver.js",
            "UPSTREAM": String(Self.upstream.get().port), "USER": NSUserName(),
        ]
        for (name, port) in ports { values[name] = String(port) }
        if self == .lighttpd {
            values["ORIGIN"] = String(try RealServer.httpserver.running().ports["PLAIN"] ?? 0)
        }
        if self == .caddy { values["REQUEST_BUFFER"] = try Self.caddyRequestBuffer(of: path) }
        if self == .haproxyFront {
            values["NGINX"] = String(try Self.runningNginx.get().ports["PLAIN"] ?? 0)
            let both =
                try String(contentsOfFile: certificate.chain, encoding: .utf8)
                + String(contentsOfFile: certificate.key, encoding: .utf8)
            try both.write(toFile: "\(folder)/both.pem", atomically: true, encoding: .utf8)
        }
        let text = try Self.fill("\(Self.fixtures)/\(template)", with: values)
        guard template.hasSuffix(".conf.in") else {
            return [path]
                + text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
        }
        let configuration = "\(folder)/\(program).conf"
        try text.write(toFile: configuration, atomically: true, encoding: .utf8)
        switch self {
        case .nginx:
            // One that could not start before may have left it.
            unlink("\(folder)/nginx.socket")
            return [path, "-p", folder, "-c", configuration]
        case .lighttpd: return [path, "-D", "-f", configuration]
        case .haproxyFront: return [path, "-db", "-f", configuration]
        case .apache2: return [path, "-d", folder, "-f", configuration, "-D", "FOREGROUND"]
        case .caddy:
            // Without a home it would keep its own files in the current folder.
            return [
                Programs.path("env") ?? "env", "XDG_DATA_HOME=\(folder)",
                "XDG_CONFIG_HOME=\(folder)", path, "run", "--config", configuration, "--adapter",
                "caddyfile",
            ]
        default: return [path, "-c", configuration]
        }
    }

    private var template: String {
        switch self {
        case .nginx: "nginx.conf.in"
        case .nghttpd: "nghttpd-tls.arguments.in"
        case .nghttpdInTheClear: "nghttpd-h2c.arguments.in"
        case .h2o: "h2o.conf.in"
        case .apache2: "apache2.conf.in"
        case .caddy: "caddy.conf.in"
        case .httpserver: "httpserver.arguments.in"
        case .hyperh2: "hyperh2.arguments.in"
        case .haproxyFront: "haproxy-front.conf.in"
        case .goServer: "goserver.arguments.in"
        case .lighttpd: "lighttpd.conf.in"
        case .node, .uvicorn, .hypercorn, .aiohttp: "\(rawValue).arguments.in"
        }
    }

    /// Puts a value in each `@NAME@` of a template.
    static func fill(_ template: String, with values: [String: String]) throws -> String {
        var text = try String(contentsOfFile: template, encoding: .utf8)
        for (name, value) in values {
            text = text.replacingOccurrences(of: "@\(name)@", with: value)
        }
        if let rest = text.firstMatch(of: /^[^#\n]*@[A-Z_0-9]+@/.anchorsMatchLineEndings()) {
            throw ChildProcess.Failure(description: "\(template): no value for \(rest.output)")
        }
        return text
    }
}

// The servers of the load tests, which write what they did into a file.
extension RealServer {
    /// How long a connection may be idle.
    var keepAlive: Duration { self == .lighttpd ? .seconds(1) : .milliseconds(500) }

    /// The file of the server that all tests share.
    var tally: String {
        get throws { try tally(in: running().folder) }
    }

    /// The file of a server that has this folder.
    func tally(in folder: String) throws -> String {
        self == .lighttpd ? try RealServer.httpserver.tally : "\(folder)/tally"
    }

    /// A server of a test's own; one with a name that was used before goes on with its file.
    func start(as name: String, ports: [String: UInt16]) throws -> RunningServer {
        try RunningServer.start(
            .init(name: name, portNames: ["TLS", "PLAIN"], ports: ports, command: command))
    }
}

extension RealServer {
    /// The directives for a buffered request: others before Caddy 2.7, which Debian does not have.
    fileprivate static func caddyRequestBuffer(of caddy: String) throws -> String {
        let path = try ServedFiles.temporaryFolder.get() + "/caddy-version"
        let process = try ChildProcess(
            caddy, ["version"], output: path, errors: "/dev/null")
        guard process.waitBlocking() == 0,
            let version = try String(contentsOfFile: path, encoding: .utf8)
                .firstMatch(of: /^v?2\.(\d+)\./), let minor = Int(version.1)
        else { throw ChildProcess.Failure(description: "caddy version: \(tail(of: path))") }
        return minor < 7 ? "buffer_requests" : "request_buffers 1MiB"
    }

    /// Compiles the program; the compiler's cache makes the second time quick.
    fileprivate static func builtGoServer(with go: String, in folder: String) throws -> String {
        let program = "\(folder)/goserver"
        let log = "\(folder)/build.log"
        let settings = [
            "HOME=\(folder)", "GOCACHE=\(NSTemporaryDirectory())/apus-go-cache", "GO111MODULE=off",
        ]
        let build = try ChildProcess(
            "/usr/bin/env",
            settings + [go, "build", "-o", program, "\(fixtures)/goserver.go"], output: log)
        guard build.waitBlocking() == 0 else {
            let text = try String(contentsOfFile: log, encoding: .utf8)
            throw ChildProcess.Failure(description: "goserver.go does not build: \(text)")
        }
        return program
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, with the server's name, where it is not installed.
    static func installed(_ server: RealServer) -> Self {
        .enabled(if: server.isInstalled, "\(server.needs) is not installed")
    }
}
