import Apus
import ApusContent
import ApusEvents
import ApusObservability
import ApusRetry
import Foundation

// Imports every product and uses none; prints the default limits, and what an engine would have
// made: threads, and descriptors without a file such as those of epoll.
let pool = EngineTuning.default.pool
print("idle=\(pool.maxIdle ?? 0) idle_per_host=\(pool.maxIdlePerHost ?? 0)")
let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
let folder = "/proc/self/fd"
let descriptors = try FileManager.default.contentsOfDirectory(atPath: folder)
    .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
    .filter { $0.hasPrefix("anon_inode") }
print("threads=\(threads.count) descriptors=\(descriptors.count)")
