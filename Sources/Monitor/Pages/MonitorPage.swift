import Control
import Filter
import Mail
import Terminal

/// What a page shows and where the operator is in it. A value: the model calls it with itself as
/// it is, and stacks it. Each page has a folder with its state and its drawing.
protocol MonitorPage: Sendable {
    var kind: PageKind { get }
    /// In the breadcrumbs.
    var crumb: Label { get }

    /// What it asks the daemon now; nil: it needs no more than the status.
    func question(in model: Model) -> Question?
    /// Whether all that it shows has been asked for.
    func isCovered(in model: Model) -> Bool
    mutating func take(_ answer: Answer, to question: Question, in model: Model)
    /// Comes with every answer.
    mutating func take(_ status: Status, in model: Model)
    /// What it follows as it happens, as long as it lies in the stack.
    var stream: StreamSubject? { get }
    mutating func take(_ item: StreamItem)
    /// It keeps lines that it followed.
    var hasLog: Bool { get }
    /// A moment of the past is shown: what came later is not.
    mutating func show(until time: UnixTime)
    /// The operator stops the screen, or lets it go on.
    mutating func freeze(_ isOn: Bool)
    /// The screen has another size.
    mutating func resize(in model: Model)

    mutating func move(by distance: Int, in model: Model)
    /// Among the columns of a row, where that means something.
    mutating func moveSideways(by distance: Int, in model: Model)
    var movesSideways: Bool { get }
    /// The daemon refused to answer.
    mutating func refused(_ question: Question)
    /// A press of the mouse on a line of the table, counted from its first.
    mutating func press(line: Int, in model: Model) -> PressOutcome
    /// What Enter opens; nil: nothing.
    func opened(in model: Model) -> (any MonitorPage)?

    /// For pages whose rows are filtered and sorted by the daemon.
    var query: Query? { get set }
    /// The last query that was answered.
    var shownQuery: Query? { get }
    var fields: FilterFields? { get }
    var sorts: [SortChoice] { get }
    /// Whose columns and order the operator chooses here; nil: there is no such choice.
    var chosenTable: ChosenTable? { get }
    /// What a view that is saved here is about; nil: its filter cannot be saved.
    var viewRows: ViewRows? { get }
    /// What the rows that are known have in a field of the filter language.
    func values(of field: String, in model: Model) -> [String]
    /// The operator changed the query.
    mutating func queryChanged()

    /// What actions are about, apart from tagged rows.
    var target: Target? { get }
    /// Whether what it shows can be acted on: mail, or destinations that have some.
    var hasMail: Bool { get }
    /// Why there is no target now.
    var noTarget: Label { get }
    /// Whether it has rows that can be tagged.
    var hasRows: Bool { get }
    /// What its rows are, for an action on all that match; nil: that makes no sense here.
    var rowKind: Target.Kind? { get }
    /// The identity of the row under the cursor.
    var cursorID: String? { get }
    /// The rows from the one of that identity to the cursor, both included.
    func targets(from anchor: String) -> [Target]
    /// Rows that actions are about instead.
    var tags: [Target] { get set }
    /// The destination under the cursor, or that the page is about.
    var destination: DestinationRow? { get }
    /// The same, where only its name is known.
    var destinationTarget: Target? { get }
    /// The delivery under the cursor.
    var message: MessageRow? { get }
    /// What `undo` undoes here, where that is not the last action.
    func undoable(in model: Model) -> ActionRow?
    /// What is written where the operator saves the page.
    func saved(in model: Model) -> SavedFile?
    /// For the status line: where in how many.
    func position(in model: Model) -> ListPosition?

    func draw(on painter: inout Painter)
}

/// What a press of the mouse did.
enum PressOutcome: Hashable, Sendable {
    case nothing
    case chosen
    /// It was chosen already.
    case again
}

/// What rows can be sorted by; nil: the daemon's own order.
struct SortChoice: Sendable {
    var name: String?
    var title: Label
    var help: Label
    /// Of names the first, of numbers the largest: what one looks for.
    var startsDescending: Bool

    init(_ name: String?, _ title: Label, _ help: Label, startsDescending: Bool = true) {
        self.name = name
        self.title = title
        self.help = help
        self.startsDescending = startsDescending
    }
}

/// Which of how many rows are on the screen.
struct ListPosition: Hashable, Sendable {
    var shown: Range<Int>
    var total: Int

    init(shown: Range<Int>, total: Int) {
        self.shown = shown
        self.total = total
    }

    /// Of lines of text; nil where all of them are there.
    init?(from scroll: Int, of total: Int, rows: Int) {
        guard total > rows, rows > 0 else { return nil }
        let start = min(scroll, total - rows)
        self.init(shown: start..<(start + rows), total: total)
    }
}

/// Something that an action is about: bound by its id, whatever the page shows meanwhile.
package struct Target: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case destination, delivery }

    package var kind: Kind
    package var id: String
    /// For people.
    package var name: String

    package init(_ kind: Kind = .destination, id: String, name: String) {
        self.kind = kind
        self.id = id
        self.name = name
    }
}

/// What most pages leave as it is.
extension MonitorPage {
    func isCovered(in model: Model) -> Bool { true }
    mutating func take(_ answer: Answer, to question: Question, in model: Model) {}
    mutating func take(_ status: Status, in model: Model) {}
    var stream: StreamSubject? { nil }
    mutating func take(_ item: StreamItem) {}
    var hasLog: Bool { false }
    mutating func show(until time: UnixTime) {}
    mutating func freeze(_ isOn: Bool) {}
    func undoable(in model: Model) -> ActionRow? { nil }
    func saved(in model: Model) -> SavedFile? { nil }
    mutating func resize(in model: Model) {}
    mutating func press(line: Int, in model: Model) -> PressOutcome { .nothing }
    mutating func moveSideways(by distance: Int, in model: Model) {}
    var movesSideways: Bool { false }
    mutating func refused(_ question: Question) {}
    func opened(in model: Model) -> (any MonitorPage)? { nil }
    var query: Query? {
        get { nil }
        set {}
    }
    var shownQuery: Query? { nil }
    var fields: FilterFields? { nil }
    var sorts: [SortChoice] { [] }
    var chosenTable: ChosenTable? { nil }
    var viewRows: ViewRows? { nil }
    func values(of field: String, in model: Model) -> [String] { [] }
    mutating func queryChanged() {}
    var target: Target? { nil }
    var hasMail: Bool { true }
    var hasRows: Bool { false }
    var rowKind: Target.Kind? { nil }
    var cursorID: String? { nil }
    func targets(from anchor: String) -> [Target] { [] }
    var noTarget: Label { "there is nothing here to act on" }
    var tags: [Target] {
        get { [] }
        set {}
    }
    var destination: DestinationRow? { nil }
    var destinationTarget: Target? {
        destination.map { Target(id: $0.id, name: $0.placedName) }
    }
    var message: MessageRow? { nil }
    func position(in model: Model) -> ListPosition? { nil }
}
