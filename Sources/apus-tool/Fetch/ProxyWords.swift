import Apus

/// What a proxy said when it refused to open the way.
extension Console {
    /// Tells the proxy's answer, each line behind `<`: status and body, with `-v` the fields too.
    func tell(_ answer: TransportError.ProxyAnswer, isVerbose: Bool) {
        var lines = ["< the proxy said: \(answer.status)"]
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

    /// What is shown of a page without `-v`.
    private static let briefWords = 1024
}
