import ApusRetry
import Testing

@Suite struct RedirectRulesTests {
    @Test(arguments: [(Int.min, 0), (0, 0), (10, 10), (100, 100), (101, 100)])
    func redirectsAreFromNoneToAHundred(limit: Int, hops: Int) {
        var rules = RedirectRules()
        rules.limit = limit
        #expect(rules.hops == hops)
    }
}
