import ApusCore
import ApusSocket
import ApusTLS

/// TLS contexts by what they trust, present and offer: equal settings share one.
///
/// Making one reads its roots from disk, 15 ms for a system's store, so a thread of its own does
/// it, one context after the other; callers that want the same one wait for the same making.
/// Files and sources are read once and kept as they were, until `reload` reads them anew.
///
/// Unchecked, because its state is touched only with the lock held.
final class TLSContextCache: @unchecked Sendable {
    private struct Key: Hashable {
        let settings: EngineTuning.TLS
        let alpn: [String]
    }
    typealias Made = Result<TLSContext, TLSError>

    /// An engine has few TLS settings; of more the one that was not used for longest goes.
    private static let maxContexts = 64

    /// A context, and when it was last asked for.
    private struct Entry {
        let context: TLSContext
        var lastUse: UInt64
    }

    private let lock = Lock()
    private var contexts: [Key: Entry] = [:]
    /// Counts the uses.
    private var uses: UInt64 = 0
    private var materials: [EngineTuning.TLS: TLSMaterial] = [:]
    /// How often something else was found where files and sources were read anew.
    private var reloads = 0
    /// Who waits for which context.
    private var waiting: [Key: [@Sendable (Made) -> Void]] = [:]
    /// What is still to be made, in the order of asking.
    private var queue: [Key] = []
    private var hasThread = false

    /// Distinguishes contexts made before a reload from those made after it.
    var revision: Int { lock.withLock { reloads } }

    /// The context for these settings, if it was made before.
    func made(_ settings: EngineTuning.TLS, alpn: [String]) -> TLSContext? {
        let key = Key(settings: settings, alpn: alpn)
        return lock.withLock { use(key) }
    }

    /// With the lock held: the context that was made before, which is used now.
    private func use(_ key: Key) -> TLSContext? {
        uses += 1
        contexts[key]?.lastUse = uses
        return contexts[key]?.context
    }

    /// With the lock held: keeps a context, in the place of the one not used for longest.
    private func keep(_ context: TLSContext, of material: TLSMaterial?, for key: Key) {
        if contexts.count >= TLSContextCache.maxContexts,
            let oldest = contexts.min(by: { $0.value.lastUse < $1.value.lastUse })?.key
        {
            contexts[oldest] = nil
            // What others of the same settings are made of stays.
            if !contexts.keys.contains(where: { $0.settings == oldest.settings }) {
                materials[oldest.settings] = nil
            }
        }
        uses += 1
        contexts[key] = Entry(context: context, lastUse: uses)
        materials[key.settings] = material
    }

    /// Makes the context for these settings and hands it over, usually on another thread.
    func make(
        _ settings: EngineTuning.TLS, alpn: [String],
        then finish: @escaping @Sendable (Made) -> Void
    ) {
        let key = Key(settings: settings, alpn: alpn)
        let (known, mustStart) = lock.withLock { () -> (TLSContext?, Bool) in
            if let context = use(key) { return (context, false) }
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
                if case .success(let context) = made { keep(context, of: material, for: key) }
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
    /// When the engine's own are unusable, everything stays as it was. Unusable ones of a proxy,
    /// which may be long gone, are forgotten and count as changed: who needs them again reads them
    /// again, and reports the result.
    /// Contexts of settings whose bytes are the same stay. The system's store, which is read bit by
    /// bit, is always taken for changed.
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
            read[own] = try readable(own, revision: next)
        } catch {
            return .failure(error)
        }
        var lost: Set<EngineTuning.TLS> = []
        for settings in known where settings != own {
            do throws(TLSError) {
                read[settings] = try readable(settings, revision: next)
            } catch {
                lost.insert(settings)
            }
        }
        let hasChanged = lock.withLock {
            let changed = read.filter { settings, material in
                materials[settings].map { $0.digest != material.digest } ?? false
            }
            for settings in lost { materials[settings] = nil }
            for (settings, material) in changed { materials[settings] = material }
            contexts = contexts.filter { key, _ in
                changed[key.settings] == nil && !lost.contains(key.settings)
            }
            let hasChanged = !changed.isEmpty || !lost.isEmpty
            if hasChanged { reloads += 1 }
            return hasChanged
        }
        return .success(hasChanged)
    }

    /// Reads the files and sources of settings; only making a context shows whether they are valid.
    private func readable(
        _ settings: EngineTuning.TLS, revision: Int
    ) throws(TLSError) -> TLSMaterial {
        let material = try TLSMaterial(settings, revision: revision)
        _ = try TLSContext(settings, material, alpn: [])
        return material
    }
}
