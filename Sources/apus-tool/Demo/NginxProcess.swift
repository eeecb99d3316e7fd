import Loopback

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// An nginx process on loopback, where nginx is installed.
final class NginxProcess: Sendable {
    /// The ports that it listens on.
    struct Ports {
        let plain: UInt16
        let secure: UInt16
        let http2: UInt16
    }

    let ports: Ports
    private let process: pid_t
    private let folder: String

    /// Starts it and waits until it accepts connections.
    ///
    /// - Returns: `nil` when nginx is not installed.
    static func start(certificates: LoopbackServers.Certificates) throws -> NginxProcess? {
        guard let program = program() else { return nil }
        var template = Array("/tmp/apus-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ToolError.system("no folder for nginx") }
        let folder = String(
            decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let ports = Ports(plain: try freePort(), secure: try freePort(), http2: try freePort())
        let file = try FileOutput.create(folder + "/nginx.conf")
        try file.write(configuration(ports, certificates, folder))
        try file.close()
        let process = try spawn([
            program, "-e", folder + "/error.log", "-c", folder + "/nginx.conf",
        ])
        let nginx = NginxProcess(ports: ports, process: process, folder: folder)
        guard nginx.isListening() else {
            let log = (try? readWhole(folder + "/error.log")) ?? []
            nginx.stop()
            throw ToolError("nginx does not listen: " + String(decoding: log, as: UTF8.self))
        }
        return nginx
    }

    /// Starts a program with no signal blocked: threads of Swift's pool block all of them, and a
    /// child would inherit that.
    private static func spawn(_ arguments: [String]) throws(ToolError) -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process = pid_t()
        let code = posix_spawn(&process, arguments[0], nil, &attributes, &pointers, environ)
        guard code == 0 else {
            throw ToolError.system("cannot start \(arguments[0])", errno: code)
        }
        return process
    }

    private init(ports: Ports, process: pid_t, folder: String) {
        self.ports = ports
        self.process = process
        self.folder = folder
    }

    /// Ends it, waits for it, and removes its files.
    func stop() {
        kill(process, SIGTERM)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        for name in ["nginx.conf", "error.log", "nginx.pid"] { unlink(folder + "/" + name) }
        for name in NginxProcess.temporaryFolders { rmdir(folder + "/" + name) }
        rmdir(folder)
    }

    /// The program's path; Debian installs it in a folder that is only in root's PATH.
    private static func program() -> String? {
        let folders = (environment("PATH") ?? "").split(separator: ":").map(String.init)
        return (folders + ["/usr/sbin", "/usr/local/sbin"])
            .map { $0 + "/nginx" }.first { access($0, X_OK) == 0 }
    }

    /// A port that was free a moment ago, since nginx does not report a port chosen by the system.
    private static func freePort() throws(ToolError) -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw ToolError.system("no socket") }
        defer { close(descriptor) }
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutableBytes(of: &address) { bytes in
            let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            guard bind(descriptor, pointer, length) == 0 else { return Int32(-1) }
            return getsockname(descriptor, pointer, &length)
        }
        guard result == 0 else { throw ToolError.system("no free port") }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    /// Tries to connect for five seconds, or until the process ends.
    private func isListening() -> Bool {
        for _ in 0..<100 {
            var address = NginxProcess.loopback(port: ports.http2)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let result = withUnsafeBytes(of: &address) { bytes in
                connect(
                    descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(bytes.count))
            }
            close(descriptor)
            if result == 0 { return true }
            if kill(process, 0) != 0 { return false }
            usleep(50_000)
        }
        return false
    }

    private static let temporaryFolders = ["body", "proxy", "fastcgi", "uwsgi", "scgi"]

    private static func configuration(
        _ ports: Ports, _ certificates: LoopbackServers.Certificates, _ folder: String
    ) -> String {
        """
        daemon off;
        master_process off;
        pid \(folder)/nginx.pid;
        error_log \(folder)/error.log error;
        events { worker_connections 1024; }
        http {
            access_log off;
            client_body_temp_path \(folder)/body;
            proxy_temp_path \(folder)/proxy;
            fastcgi_temp_path \(folder)/fastcgi;
            uwsgi_temp_path \(folder)/uwsgi;
            scgi_temp_path \(folder)/scgi;
            keepalive_requests 1000000;
            server {
                listen 127.0.0.1:\(ports.plain);
                listen 127.0.0.1:\(ports.secure) ssl;
                listen 127.0.0.1:\(ports.http2) ssl http2;
                ssl_certificate "\(certificates.leaf.chain)";
                ssl_certificate_key "\(certificates.leaf.key)";
                location / { return 200 "\(String(repeating: "a", count: 1024))"; }
            }
        }

        """
    }
}
