import Apus

/// Printing the response of a proxy that refused.
extension Console {
    /// Prints the proxy's response, each line after `<`: status and body, with `-v` the fields too.
    func show(_ answer: TransportError.ProxyAnswer, isVerbose: Bool) {
        var lines = ["< the proxy responded: \(answer.status)"]
        if isVerbose {
            lines += answer.fields.map { "< \($0.name.rawName): \(disclosed($0))" }
        }
        let text = String(answer.body).trimmingBlanks()
        let shown = isVerbose ? text : String(text.prefix(Console.briefWords))
        lines += shown.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .map { "< " + readable(String($0)) }
        if shown.count < text.count { lines.append("< ... (the rest with -v)") }
        line(lines.joined(separator: "\n"))
    }

    /// The characters of a body shown without `-v`.
    private static let briefWords = 1024
}
