#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The resources that the process has used, as the kernel counts them.
struct ProcessUsage {
    let userSeconds: Double
    let systemSeconds: Double
    /// The maximum resident memory.
    let maxResidentKiB: Int

    /// The current counts.
    static func now() -> ProcessUsage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return ProcessUsage(
            userSeconds: seconds(usage.ru_utime), systemSeconds: seconds(usage.ru_stime),
            maxResidentKiB: usage.ru_maxrss)
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }

    /// The current resident memory, in KiB.
    static func residentKiB() -> Int {
        guard let text = try? readWhole("/proc/self/statm") else { return 0 }
        let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * sysconf(Int32(_SC_PAGESIZE)) / 1024
    }

    /// The number of descriptors that are sockets, without the one by which an engine hears of
    /// the system's addresses.
    static func openSockets() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            let target = [UInt8](unsafeUninitializedCapacity: 64) { buffer, length in
                let room = UnsafeMutableRawBufferPointer(buffer).bindMemory(to: CChar.self)
                guard let start = room.baseAddress else { return }
                length = max(0, readlink("/proc/self/fd/" + name, start, room.count))
            }
            if target.starts(with: "socket:".utf8), !isNetlink(Int32(name) ?? -1) { count += 1 }
        }
        return count
    }

    private static func isNetlink(_ descriptor: Int32) -> Bool {
        var domain: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length)
        return domain == AF_NETLINK
    }
}
