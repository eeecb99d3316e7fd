import ApusCore
import Testing

/// The value of the `Priority` field (RFC 9218, section 4).
@Suite struct RequestPriorityTests {
    @Test(arguments: [
        (0, false, "u=0"), (3, false, "u=3"), (7, false, "u=7"), (3, true, "i"),
        (0, true, "u=0, i"),
        (7, true, "u=7, i"),
    ])
    func aPriorityIsWrittenAsAField(urgency: Int, isIncremental: Bool, value: String) throws {
        let priority = RequestPriority(urgency: urgency, isIncremental: isIncremental)
        #expect(try priority.fieldValue() == value)
    }

    @Test(arguments: [-1, 8, Int.max, Int.min])
    func anUrgencyOutOfRangeIsRefused(urgency: Int) {
        let error = #expect(throws: InvalidRequest.self) {
            try RequestPriority(urgency: urgency).fieldValue()
        }
        #expect(error?.field == "priority")
    }

    @Test func theDefaultIsUrgency3() {
        #expect(RequestPriority() == RequestPriority(urgency: 3, isIncremental: false))
    }
}
