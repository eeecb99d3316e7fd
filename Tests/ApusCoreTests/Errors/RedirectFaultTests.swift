import ApusCore
import Testing

@Suite struct RedirectFaultTests {
    /// Each has words of its own, which name no target.
    @Test func eachFaultHasItsWords() {
        let words = RedirectFault.allCases.map(\.description)
        #expect(Set(words).count == 6)
    }
}
