import Filter
import Mail

/// The index at the instant of one commit; nothing changes it.
struct IndexSnapshot: Sendable {
    let blocks: [IndexBlock]
    let domains: [String]
    let senders: [String]
    let replies: [String]
    let destinations: DestinationTable

    /// - Parameters:
    ///   - few: as in `IndexSelection`.
    ///   - report: gets what is wrong with rows that are damaged and left out.
    func page(
        _ query: DeliveryQuery, few: Int = 4096, report: (String) -> Void
    ) throws(SpoolError) -> DeliveryPage {
        let filter = try IndexFilter(query, self)
        let order = IndexOrder(query, self, filter)
        let masks = masks(filter)
        let place = query.around.flatMap { rank(of: $0, in: masks, order, query.descending) }
        let (offset, limit) = (query.offset(place: place), max(0, query.limit))
        guard order.key != .id else {
            return pageByID(masks, query.descending, offset, limit, report)
        }
        let end = offset.addingReportingOverflow(limit)
        let rows = IndexSelection(order: order, snapshot: self, few: few).rows(
            of: masks, at: offset..<(end.overflow ? .max : end.partialValue)
        ).compactMap { delivery(Int($0.block), Int($0.row), report) }
        return DeliveryPage(
            total: masks.reduce(0) { $0 + $1.count }, offset: offset, rows: rows)
    }

    /// How many of the rows that match come before a delivery; nil if it is not one of them.
    private func rank(
        of id: DeliveryID, in masks: [RowMask], _ order: IndexOrder, _ descending: Bool
    ) -> Int? {
        var hint = 0
        guard let (block, row) = find(id.rawValue, from: &hint),
            masks[block][row >> 6] >> UInt64(row & 63) & 1 == 1
        else { return nil }
        guard order.key != .id else {
            var before = masks[..<block].reduce(0) { $0 + $1.count }
            masks[block].forEach { if $0 < row { before += 1 } }
            return descending ? masks.reduce(0) { $0 + $1.count } - before - 1 : before
        }
        return IndexSelection(order: order, snapshot: self).place(of: (block, row), in: masks)
    }

    /// What a filter selects of each block; of many blocks, half are looked at by another thread.
    private func masks(_ filter: IndexFilter) -> [RowMask] {
        guard filter.root != nil else { return blocks.map { RowMask.first($0.count) } }
        return Halves.map(blocks.count) { filter.select(blocks[$0], number: $0) }
    }

    private func pageByID(
        _ masks: [RowMask], _ descending: Bool, _ offset: Int, _ limit: Int,
        _ report: (String) -> Void
    ) -> DeliveryPage {
        var total = 0
        var places: [(Int, Int)] = []
        for step in blocks.indices {
            let number = descending ? blocks.count - 1 - step : step
            let mask = masks[number]
            let count = mask.count
            defer { total += count }
            guard places.count < limit, total + count > offset else { continue }
            var rows: [Int] = []
            mask.forEach { rows.append($0) }
            if descending { rows.reverse() }
            for row in rows.dropFirst(max(0, offset - total)).prefix(limit - places.count) {
                places.append((number, row))
            }
        }
        return DeliveryPage(
            total: total, offset: offset, rows: places.compactMap { delivery($0.0, $0.1, report) })
    }

    func select(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet {
        let filter = try IndexFilter(query, self)
        var selected = DeliverySet()
        for (block, mask) in zip(blocks, masks(filter)) {
            mask.forEach { row in
                let id = DeliveryID(rawValue: block.rows[row].id)
                // A row with no such id is damaged: nothing can be done to it by its id.
                if id.message.rawValue > 0 { selected.append(id) }
            }
        }
        return selected
    }

    // MARK: Rows

    /// In one pass, as callers ask for ascending ids.
    func figures(_ ids: [DeliveryID], report: (String) -> Void) -> [DeliveryFigures] {
        var figures: [DeliveryFigures] = []
        figures.reserveCapacity(ids.count)
        var hint = 0
        for id in ids {
            guard let (block, row) = find(id.rawValue, from: &hint) else { continue }
            if let found = self.figures(block, row, report) { figures.append(found) }
        }
        return figures
    }

    private func figures(_ block: Int, _ row: Int, _ report: (String) -> Void) -> DeliveryFigures? {
        let block = blocks[block]
        let row = block.rows[row]
        let id = DeliveryID(rawValue: row.id)
        guard let state = StoredState(rawValue: row.state) else {
            report("delivery \(id): its state is unknown")
            return nil
        }
        guard let recipients = TextCoding.recipientCount(block.recipients(of: row)) else {
            report("delivery \(id): its recipients cannot be read")
            return nil
        }
        return DeliveryFigures(
            id: id, destination: destinations.ids[Int(row.destination)], state: state,
            attempts: Int(row.attempts), nextAttemptAt: UnixTime(milliseconds: row.next),
            receivedAt: UnixTime(milliseconds: row.received), size: Int(row.size),
            priority: row.priority, recipients: recipients, domain: domains[Int(row.domain)],
            sender: senders[Int(row.sender)])
    }

    /// A row as a page shows it: without what only its message's own page tells.
    private func delivery(
        _ block: Int, _ row: Int, _ report: (String) -> Void
    ) -> StoredDelivery? {
        let block = blocks[block]
        let row = block.rows[row]
        let id = DeliveryID(rawValue: row.id)
        guard id.message.rawValue > 0 else {
            report("delivery \(row.id): no such id")
            return nil
        }
        guard let state = StoredState(rawValue: row.state) else {
            report("delivery \(id): its state is unknown")
            return nil
        }
        let addresses = String(decoding: block.recipients(of: row), as: UTF8.self)
        guard let recipients = TextCoding.recipients(addresses: addresses, attributes: "") else {
            report("delivery \(id): its recipients cannot be read")
            return nil
        }
        let flags = Int64(row.flags)
        return StoredDelivery(
            id: id,
            message: DeliveryRow.message(
                id: id.message, sender: senders[Int(row.sender)],
                receivedAt: UnixTime(milliseconds: row.received),
                expiresAt: UnixTime(milliseconds: row.expires), size: Int(row.size), flags: flags),
            destination: destinations.ids[Int(row.destination)], domain: domains[Int(row.domain)],
            recipients: recipients, state: state, attempts: Int(row.attempts),
            nextAttemptAt: UnixTime(milliseconds: row.next),
            purgeAt: row.purgeAt == IndexRow.never ? nil : UnixTime(milliseconds: row.purgeAt),
            lastReply: replies[Int(row.reply)], isWarned: flags & DeliveryRow.warned != 0)
    }

    /// - Parameter hint: the block where the last one was.
    private func find(_ id: Int64, from hint: inout Int) -> (block: Int, row: Int)? {
        let isNear =
            hint < blocks.count && blocks[hint].firstID <= id && id <= blocks[hint].lastID
        if !isNear {
            var (low, high) = (0, blocks.count)
            while low < high {
                let middle = (low + high) / 2
                if blocks[middle].firstID <= id { low = middle + 1 } else { high = middle }
            }
            guard low > 0 else { return nil }
            hint = low - 1
        }
        let row = blocks[hint].index(of: id)
        guard row < blocks[hint].count, blocks[hint].rows[row].id == id else { return nil }
        return (hint, row)
    }

    func masks(of ids: [DeliveryID]) -> [Int: RowMask] {
        var masks: [Int: RowMask] = [:]
        var hint = 0
        for id in ids {
            guard let (block, row) = find(id.rawValue, from: &hint) else { continue }
            masks[block, default: .none].set(row)
        }
        return masks
    }

    /// The deliveries of some destinations in the order of their ids, `after` excluded. Fewer than
    /// `limit` only at the end.
    func queue(
        of wanted: Set<Int64>, after: DeliveryID?, limit: Int, report: (String) -> Void
    ) -> QueuePage {
        var isWanted = [Bool](repeating: false, count: destinations.ids.count)
        for id in wanted {
            if let number = destinations.number(known: id) { isWanted[Int(number)] = true }
        }
        var page = QueuePage()
        let first = after.map { $0.rawValue + 1 } ?? .min
        var (low, high) = (0, blocks.count)
        while low < high {
            let middle = (low + high) / 2
            if blocks[middle].lastID < first { low = middle + 1 } else { high = middle }
        }
        for number in low..<max(low, blocks.count) {
            let block = blocks[number]
            for row in block.index(of: first)..<block.count
            where isWanted[Int(block.rows[row].destination)] {
                guard page.found < limit else { return page }
                page.found += 1
                page.last = DeliveryID(rawValue: block.rows[row].id)
                if let figures = figures(number, row, report) { page.deliveries.append(figures) }
            }
        }
        page.isLast = true
        return page
    }

    /// Calls `body` with every row.
    func forEach(_ body: (UnsafePointer<IndexRow>) -> Void) {
        for block in blocks {
            for row in 0..<block.count { body(UnsafePointer(block.rows) + row) }
        }
    }
}
