package import Mail

/// One accepted RCPT.
package struct EnvelopeRecipient: Hashable, Sendable {
    package var address: EmailAddress
    /// The value of NOTIFY in uppercase ("NEVER", "FAILURE,DELAY"), or "".
    package var notify: String
    /// The value of ORCPT as it was sent ("rfc822;user+40example.com"), or "".
    package var originalRecipient: String

    package init(address: EmailAddress, notify: String = "", originalRecipient: String = "") {
        self.address = address
        self.notify = notify
        self.originalRecipient = originalRecipient
    }
}

/// What MAIL and RCPT said about a message.
package struct Envelope: Hashable, Sendable {
    /// A validated address, or "" for the null sender.
    package var sender: String
    package var recipients: [EnvelopeRecipient]
    /// Octets, as SIZE announced them; 0 if it did not.
    package var declaredSize: Int
    /// BODY=8BITMIME was given.
    package var eightBit: Bool
    /// SMTPUTF8 was given.
    package var utf8: Bool
    /// "FULL", "HDRS" or "".
    package var ret: String
    /// The value of ENVID as it was sent (xtext), or "".
    package var envelopeID: String

    package init(
        sender: String, recipients: [EnvelopeRecipient] = [], declaredSize: Int = 0,
        eightBit: Bool = false, utf8: Bool = false, ret: String = "", envelopeID: String = ""
    ) {
        self.sender = sender
        self.recipients = recipients
        self.declaredSize = declaredSize
        self.eightBit = eightBit
        self.utf8 = utf8
        self.ret = ret
        self.envelopeID = envelopeID
    }
}
