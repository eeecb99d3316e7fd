import Apus

// Names of the code in words.

extension CloseReason {
    /// The case's name as words: "idleTimeout" is "idle timeout".
    var words: String { spelledOut(rawValue) }
}

/// A name in camel case as words: "idleTimeout" is "idle timeout".
func spelledOut(_ name: String) -> String {
    name.reduce(into: "") { words, character in
        words += character.isUppercase ? " " + character.lowercased() : String(character)
    }
}
