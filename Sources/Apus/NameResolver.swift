/// Turns host names into addresses, instead of the system's resolver.
///
/// It is called for names only, not for literals, `localhost` and all names below it, or hosts in
/// `dial.overrides`. Each dial calls it; the engine caches and shares nothing of its answers.
public protocol NameResolver: Sendable {
    /// Returns the addresses of a name as literals, in order of preference.
    ///
    /// The engine makes the families alternate (RFC 8305, section 4). The task is cancelled when no
    /// dial waits any more; a late answer is dropped.
    func addresses(of host: String) async throws(NameError) -> [String]
}
