/// What reading a wire ended with.
package enum WireEnding {
    /// The end of the peer's side (FIN).
    case fin
    /// The end of the topmost layer that ended in good order: close_notify where it is TLS.
    case closeNotify
    /// The first error.
    case failed(WireError)
}
