import ApusCore
import ApusSocket
import ApusTLS

/// TLS contexts by what they trust, present and offer: equal settings share one.
///
/// Making one reads its roots from disk, 15 ms for a system's store, so a thread of its own does
/// it, one context after the other; everybody who wants the same one waits for the same making.
/// Files and sources are read once and kept as they were, until `reload` reads them anew.
///
/// Unchecked, because its state is touched only with the lock held.
final class TLSContextCache: @unchecked Sendable {
    private struct Key: Hashable {
        let settings: EngineTuning.TLS
        let alpn: [String]
    }
    typealias Made = Result<TLSContext, TLSError>

    /// An engine has few TLS settings; whoever churns through more pays for making them again.
    private static let maxContexts = 64

    private let lock = Lock()
    private var contexts: [Key: TLSContext] = [:]
    private var materials: [EngineTuning.TLS: TLSMaterial] = [:]
    /// How often something else was found where files and sources were read anew.
    private var reloads = 0
    /// Who waits for which context.
    private var waiting: [Key: [@Sendable (Made) -> Void]] = [:]
    /// What is still to be made, in the order of asking.
    private var queue: [Key] = []
    private var hasThread = false

    /// Tells apart contexts made before a reload and after it.
    var revision: Int { lock.withLock { reloads } }

    /// The context for these settings, if it was made before.
    func made(_ settings: EngineTuning.TLS, alpn: [String]) -> TLSContext? {
        let key = Key(settings: settings, alpn: alpn)
        return lock.withLock { contexts[key] }
    }

    /// Makes the context for these settings and hands it over, usually on another thread.
    func make(
        _ settings: EngineTuning.TLS, alpn: [String],
        then finish: @escaping @Sendable (Made) -> Void
    ) {
        let key = Key(settings: settings, alpn: alpn)
        let (known, mustStart) = lock.withLock { () -> (TLSContext?, Bool) in
            if let context = contexts[key] { return (context, false) }
            if waiting[key] == nil { queue.append(key) }
            waiting[key, default: []].append(finish)
            defer { hasThread = true }
            return (nil, !hasThread)
        }
        if let known { return finish(.success(known)) }
        guard mustStart else { return }
        // Without a thread it is made here: late is better than never.
        if !DetachedThread.start(named: "apus-tls", { self.run() }) { run() }
    }

    private func run() {
        while true {
            let next = lock.withLock { () -> Key? in
                hasThread = !queue.isEmpty
                return queue.isEmpty ? nil : queue.removeFirst()
            }
            guard let next else { return }
            make(next)
        }
    }

    /// Makes one context, again if a reload came in between.
    private func make(_ key: Key) {
        while true {
            let (known, revision) = lock.withLock { (materials[key.settings], reloads) }
            var material = known
            let made: Made
            do throws(TLSError) {
                // `??` would lose which error it throws.
                let read: TLSMaterial
                if let known {
                    read = known
                } else {
                    read = try TLSMaterial(key.settings, revision: revision)
                }
                material = read
                made = .success(try TLSContext(key.settings, read, alpn: key.alpn))
            } catch {
                made = .failure(error)
            }
            let waiters = lock.withLock { () -> [@Sendable (Made) -> Void]? in
                guard reloads == revision else { return nil }
                if case .success(let context) = made {
                    if contexts.count >= TLSContextCache.maxContexts {
                        contexts.removeAll()
                        materials.removeAll()
                    }
                    contexts[key] = context
                    materials[key.settings] = material
                }
                return waiting.removeValue(forKey: key) ?? []
            }
            guard let waiters else { continue }
            for finish in waiters { finish(made) }
            return
        }
    }

    // MARK: Reloading

    /// Reads the files and sources of the engine's settings, and of all others in use, anew, and
    /// goes by what they hold from now on.
    ///
    /// All or nothing: when one of them is unusable, everything stays as it was. Contexts of
    /// settings whose bytes are the same stay too. The system's store, which is read bit by bit, is
    /// always taken for changed.
    /// - Parameter finish: hears on a thread of its own whether anything in use has changed.
    func reload(
        _ own: EngineTuning.TLS, then finish: @escaping @Sendable (Result<Bool, TLSError>) -> Void
    ) {
        let work: @Sendable () -> Void = { finish(self.reloaded(own)) }
        if !DetachedThread.start(named: "apus-tls", work) { work() }
    }

    private func reloaded(_ own: EngineTuning.TLS) -> Result<Bool, TLSError> {
        let (known, next) = lock.withLock { (Array(materials.keys), reloads + 1) }
        var read: [EngineTuning.TLS: TLSMaterial] = [:]
        do throws(TLSError) {
            for settings in [own] + known where read[settings] == nil {
                let material = try TLSMaterial(settings, revision: next)
                // Whether it is good for anything only a context tells.
                _ = try TLSContext(settings, material, alpn: [])
                read[settings] = material
            }
        } catch {
            return .failure(error)
        }
        return .success(
            lock.withLock {
                let changed = read.filter { settings, material in
                    materials[settings].map { $0.digest != material.digest } ?? false
                }
                guard !changed.isEmpty else { return false }
                reloads += 1
                for (settings, material) in changed { materials[settings] = material }
                contexts = contexts.filter { changed[$0.key.settings] == nil }
                return true
            })
    }
}
