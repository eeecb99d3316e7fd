/// Turns host names into addresses, instead of the system's resolver.
///
/// Asked for names alone: literals, `localhost` and all names below it, and `dial.overrides` need
/// nobody. Each dial asks by itself; what is to be cached or shared is the resolver's own matter.
public protocol NameResolver: Sendable {
    /// The addresses of a name as literals, in the order in which to try them.
    ///
    /// Families are made to alternate (RFC 8305, section 4). The task is cancelled when nobody
    /// waits any more; an answer that comes all the same is dropped.
    func addresses(of host: String) async throws(NameError) -> [String]
}
