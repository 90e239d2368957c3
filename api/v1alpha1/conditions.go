package v1alpha1

// The types of condition.
const (
	// ConditionReady is True when the object is enforced as written. An exhausted budget or an open breaker does not affect it: they report spending, not health.
	ConditionReady = "Ready"
	// ConditionAccepted is True when the object is valid and conflicts with no older object. An object that is not accepted changes nothing that is enforced.
	ConditionAccepted = "Accepted"
	// ConditionProgrammed is True when at least one enforcer is live, every live enforcer runs a configuration that contains the observed generation, and, for budgets and policies, a probe was admitted by the limits as written.
	ConditionProgrammed = "Programmed"
	// ConditionBreakerOpen is True while the breaker refuses the tenant's paid calls.
	ConditionBreakerOpen = "BreakerOpen"
	// ConditionExhausted is True while a limit of the tenant or of one of its ancestors is spent in full, so that no paid call fits. Limits with tiers or models, and those with per: User, do not count.
	ConditionExhausted = "Exhausted"
	// ConditionOvercommitted is True while the limits of the children of a budget together exceed a limit of the budget. That is allowed, but the limit will refuse some of their calls.
	ConditionOvercommitted = "Overcommitted"
	// ConditionExpired is True when the time of a BudgetGrant or an APIKey is over. The object is kept as a record and stays Ready, because it is enforced as written.
	ConditionExpired = "Expired"
	// ConditionRecorded is True when a BudgetGrant is on record in Postgres. A grant that is not
	// recorded yet does not count, so every grant that counts can be looked up.
	ConditionRecorded = "Recorded"
	// ConditionAlertsFailing is True while alerts cannot be delivered to someone in spec.alerts; the message says why. It is present only if spec.alerts is set, and does not affect Ready, because enforcement does not depend on alerts.
	ConditionAlertsFailing = "AlertsFailing"
	// ConditionLedgerUnreachable is True while an enforcer cannot write calls to the ledger in Postgres; the message says what to do. It does not affect Ready, because calls are admitted and counted without Postgres, and recorded when it is back.
	ConditionLedgerUnreachable = "LedgerUnreachable"
	// ConditionReachable is True when calls to a ModelProvider get answers, as far as the enforcers have seen, and False when they do not: the reason and the message say what stands in the way. Unknown until a call was made. It does not affect Ready.
	ConditionReachable = "Reachable"
	// ConditionCredentialValid is True when a ModelProvider accepts Bursar's API key, as far as the enforcers have seen. It is False when the file with the key is missing, or the provider rejects the key; then Ready is False, too, unless the key is only denied some models.
	ConditionCredentialValid = "CredentialValid"
	// ConditionWarning is True while something in the spec is valid and looks like a mistake: the message says what, where, and what to write instead. It does not affect Ready, because the object is enforced as written.
	ConditionWarning = "Warning"
	// ConditionKeysFetched is True when the signing keys of an IdentityProvider's issuer were fetched, or are in spec.issuer.jwks. While it is False, the keys that were fetched last stay in force; without any, every token of the issuer is refused, and the IdentityProvider is not Ready.
	ConditionKeysFetched = "KeysFetched"
	// ConditionReconciling is True while the object is not yet enforced as written, and only time or other objects are needed.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the object will not be enforced as written until somebody changes it, or what blocks it.
	ConditionStalled = "Stalled"
)

// ReasonInternalError is the reason of any condition that is Unknown because the manager
// failed to find out: its log says why.
const ReasonInternalError = "InternalError"

// Reasons of ConditionReady.
const (
	// ReasonEnforced is that the object is enforced as written.
	ReasonEnforced = "Enforced"
	// ReasonShadow is that a budget with enforcement: Shadow: its limits are counted and refuse nothing.
	ReasonShadow = "Shadow"
	// ReasonNotEnforced is that the object is not accepted or not programmed yet.
	ReasonNotEnforced = "NotEnforced"
	// ReasonExpired is that the time of a BudgetGrant or an APIKey is over; it is a record now.
	ReasonExpired = "Expired"
)

// Reasons of ConditionAccepted.
const (
	// ReasonAccepted is that the object is valid, and nothing older is in its way.
	ReasonAccepted = "Accepted"
	// ReasonInvalid is that a field has an invalid value; the message names it.
	ReasonInvalid = "Invalid"
	// ReasonConflicted is that an older object already has what this one claims; the message names it.
	ReasonConflicted = "Conflicted"
	// ReasonNamespaceNotDelegated is that the object refers beyond its namespace, which lacks the label bursar.dev/delegated=true.
	ReasonNamespaceNotDelegated = "NamespaceNotDelegated"
	// ReasonTargetNotFound is that the object that it refers to does not exist.
	ReasonTargetNotFound = "TargetNotFound"
	// ReasonTargetNotAccepted is that the object that it refers to is not accepted.
	ReasonTargetNotAccepted = "TargetNotAccepted"
	// ReasonLimitNotFound is that the budget has no limit of the name that a BudgetGrant adds to.
	ReasonLimitNotFound = "LimitNotFound"
	// ReasonTooManyGrants is that the limit already has the maximum number of BudgetGrants.
	ReasonTooManyGrants = "TooManyGrants"
	// ReasonParentNotFound is that spec.parentRef names a TenantBudget that does not exist.
	ReasonParentNotFound = "ParentNotFound"
	// ReasonParentNotAccepted is that the parent is not accepted.
	ReasonParentNotAccepted = "ParentNotAccepted"
	// ReasonParentCycle is that the parents lead back to the budget itself.
	ReasonParentCycle = "ParentCycle"
	// ReasonParentTooDeep is that there are too many budgets above this one.
	ReasonParentTooDeep = "ParentTooDeep"
	// ReasonParentChanged is that spec.parentRef names another tenant: an accepted budget cannot move below another.
	ReasonParentChanged = "ParentChanged"
	// ReasonNotAllowedByParent is that the parent does not allow this budget to be its child.
	ReasonNotAllowedByParent = "NotAllowedByParent"
	// ReasonAncestorRequired is that the namespace may only have budgets below the tenant that its label names.
	ReasonAncestorRequired = "AncestorRequired"
	// ReasonIdentityProviderNotFound is the reason of a Membership that names an IdentityProvider which does not exist, or does not allow the Membership's namespace to name anybody.
	ReasonIdentityProviderNotFound = "IdentityProviderNotFound"
	// ReasonIdentityProviderNotAccepted is that the IdentityProvider that a Membership names is not accepted.
	ReasonIdentityProviderNotAccepted = "IdentityProviderNotAccepted"
	// ReasonMemberNotAllowed is that the IdentityProvider does not allow the namespace to name one of the members.
	ReasonMemberNotAllowed = "MemberNotAllowed"
	// ReasonHandedOver is also the reason of ConditionReady: the successor governs the tenant, and nothing is left to do but to delete the object.
	ReasonHandedOver = "HandedOver"
)

// Reasons of ConditionProgrammed.
const (
	// ReasonProgrammed is that every live enforcer runs a configuration that contains the object.
	ReasonProgrammed = "Programmed"
	// ReasonBeingDeleted is also the reason of ConditionReady: nothing of the object is in force any more, and it stays only for finalizers of others.
	ReasonBeingDeleted = "BeingDeleted"
	// ReasonNotAccepted is that see the condition Accepted.
	ReasonNotAccepted = "NotAccepted"
	// ReasonEnforcersPending is that some enforcers do not run a configuration with this generation yet.
	ReasonEnforcersPending = "EnforcersPending"
	// ReasonNoEnforcers is that no enforcer is running.
	ReasonNoEnforcers = "NoEnforcers"
	// ReasonStoreUnavailable is that Redis, or for records Postgres, does not answer.
	ReasonStoreUnavailable = "StoreUnavailable"
	// ReasonLimiterSuspended is that counters are being set again; nothing is admitted meanwhile.
	ReasonLimiterSuspended = "LimiterSuspended"
	// ReasonProbePending is that the probe of the limits has no answer yet.
	ReasonProbePending = "ProbePending"
	// ReasonProbeFailed is that the probe found other limits in force than those in the spec.
	ReasonProbeFailed = "ProbeFailed"
	// ReasonTooManyLimits is that some tenants would have more limits than a call can be checked against.
	ReasonTooManyLimits = "TooManyLimits"
	// ReasonKeysNotFetched is that the keys of an IdentityProvider were never fetched: see the condition KeysFetched.
	ReasonKeysNotFetched = "KeysNotFetched"
)

// Reasons of ConditionBreakerOpen.
const (
	// ReasonBelowTripRung is that no limit has reached its Trip rung.
	ReasonBelowTripRung = "BelowTripRung"
	// ReasonTripRungReached is that a limit has reached its Trip rung.
	ReasonTripRungReached = "TripRungReached"
	// ReasonForced is that spec.breaker.forced sets the state.
	ReasonForced = "Forced"
	// ReasonUnknown is that what the condition is about is not known now; the message says why.
	ReasonUnknown = "Unknown"
)

// Reasons of ConditionExhausted, beside ReasonUnknown.
const (
	// ReasonAmountLeft is that no limit is spent in full.
	ReasonAmountLeft = "AmountLeft"
	// ReasonAmountSpent is that a limit is spent in full; the message names it.
	ReasonAmountSpent = "AmountSpent"
)

// Reasons of ConditionOvercommitted, beside ReasonUnknown.
const (
	// ReasonChildrenFit is that the limits of the children fit into the budget.
	ReasonChildrenFit = "ChildrenFit"
	// ReasonChildrenExceedLimit is that the limits of the children exceed a limit of the budget together.
	ReasonChildrenExceedLimit = "ChildrenExceedLimit"
)

// Reasons of ConditionExpired, beside ReasonExpired.
const (
	// ReasonNotStarted is that the time of the object has not begun.
	ReasonNotStarted = "NotStarted"
	// ReasonRunning is that the time of the object has begun, and is not over.
	ReasonRunning = "Running"
)

// ReasonRecorded is a reason of ConditionRecorded, beside ReasonNotAccepted and
// ReasonStoreUnavailable.
const ReasonRecorded = "Recorded"

// Reasons of ConditionKeysFetched, beside ReasonNotAccepted and ReasonUnknown.
const (
	// ReasonKeysFetched is that the issuer has answered with its keys.
	ReasonKeysFetched = "Fetched"
	// ReasonKeysInline is that the keys are in spec.issuer.jwks.
	ReasonKeysInline = "Inline"
	// ReasonKeysFetchFailed is that the keys could not be fetched; the message says why.
	ReasonKeysFetchFailed = "FetchFailed"
)

// Reasons of ConditionAlertsFailing, beside ReasonUnknown.
const (
	// ReasonAlertsDeliverable is that alerts reach everyone in spec.alerts, as far as is known.
	ReasonAlertsDeliverable = "Deliverable"
	// ReasonNoMailServer is that spec.alerts has e-mail addresses, but the manager has no mail server.
	ReasonNoMailServer = "NoMailServer"
	// ReasonSecretUnusable is that a Secret that spec.alerts names is missing, lacks the key, or may not be read.
	ReasonSecretUnusable = "SecretUnusable"
	// ReasonDeliveryFailing is that a receiver does not accept an alert; the delivery is retried.
	ReasonDeliveryFailing = "DeliveryFailing"
)

// Reasons of ConditionLedgerUnreachable, beside ReasonUnknown.
const (
	// ReasonLedgerReached is that no live enforcer reports trouble with the ledger.
	ReasonLedgerReached = "LedgerReached"
	// ReasonLedgerLoginFailed is that Postgres rejects an enforcer's user, password or database.
	ReasonLedgerLoginFailed = "LoginFailed"
	// ReasonLedgerRightsMissing is that an enforcer's login lacks the role bursar_enforcer, or the database is not migrated.
	ReasonLedgerRightsMissing = "RightsMissing"
	// ReasonLedgerWritesFailing is that Postgres answers an enforcer, and has not taken its calls for 30 seconds: its disk is full, or it is a standby.
	ReasonLedgerWritesFailing = "WritesFailing"
	// ReasonLedgerUnreachable is that an enforcer gets no answer from Postgres.
	ReasonLedgerUnreachable = "Unreachable"
)

// Reasons of ConditionReachable, beside ReasonUntried.
const (
	// ReasonAnswered is that the provider answers calls.
	ReasonAnswered = "Answered"
	// ReasonNotFound is that the provider answers 404.
	ReasonNotFound = "NotFound"
	// ReasonHostNotFound is that the host name of spec.endpoint is not in DNS.
	ReasonHostNotFound = "HostNotFound"
	// ReasonConnectionRefused is that nothing listens at spec.endpoint.
	ReasonConnectionRefused = "ConnectionRefused"
	// ReasonConnectionTimedOut is that connections to spec.endpoint time out.
	ReasonConnectionTimedOut = "ConnectionTimedOut"
	// ReasonConnectionFailed is that connections to spec.endpoint fail for another reason.
	ReasonConnectionFailed = "ConnectionFailed"
	// ReasonTLSFailed is that the certificate at spec.endpoint is not trusted, or nothing speaks TLS there.
	ReasonTLSFailed = "TLSFailed"
)

// Reasons of ConditionCredentialValid.
const (
	// ReasonKeyAccepted is that the provider accepts the key.
	ReasonKeyAccepted = "KeyAccepted"
	// ReasonKeyNotNeeded is that spec.credentialFile is not set.
	ReasonKeyNotNeeded = "KeyNotNeeded"
	// ReasonCredentialFileMissing is that the file that spec.credentialFile names is missing, unreadable or empty.
	ReasonCredentialFileMissing = "CredentialFileMissing"
	// ReasonKeyRejected is that the provider answers 401.
	ReasonKeyRejected = "KeyRejected"
	// ReasonKeyForbidden is that the provider answers 403.
	ReasonKeyForbidden = "KeyForbidden"
	// ReasonUntried is the reason of either condition while no enforcer has called the provider.
	ReasonUntried = "Untried"
)

// Reasons of ConditionWarning.
const (
	// ReasonNoWarnings is that nothing in the spec looks like a mistake.
	ReasonNoWarnings = "NoWarnings"
	// ReasonPossibleMistakes is that something in the spec looks like a mistake.
	ReasonPossibleMistakes = "PossibleMistakes"
)

// Reasons of ConditionReconciling and ConditionStalled, beside those of Accepted,
// Programmed and Ready, which say what is waited for or stands in the way.
const (
	// ReasonReconciled is that nothing is waited for.
	ReasonReconciled = "Reconciled"
	// ReasonReconciling is that the object is on its way to the enforcers.
	ReasonReconciling = "Reconciling"
	// ReasonStalled is that somebody has to change the object, or what blocks it.
	ReasonStalled = "Stalled"
	// ReasonPending is the reason of a new object that no controller has processed yet. The API server sets it, by the defaults of the status.
	ReasonPending = "Pending"
)

// Reasons of Events.
const (
	// EventAccepted is that the object became accepted.
	EventAccepted = "Accepted"
	// EventRejected is that the object is not accepted, or no longer.
	EventRejected = "Rejected"
	// EventProgrammed is that every live enforcer runs the object as written.
	EventProgrammed = "Programmed"
	// EventBudgetWarning is that a limit has reached a Warn rung.
	EventBudgetWarning = "BudgetWarning"
	// EventBudgetDowngraded is that a limit has reached a Downgrade rung.
	EventBudgetDowngraded = "BudgetDowngraded"
	// EventLimitTripped is that a limit that selects some calls has reached its Trip rung: those are refused, and the tenant stays open.
	EventLimitTripped = "LimitTripped"
	// EventBreakerOpened is that the breaker refuses paid calls, because a limit has reached its Trip rung.
	EventBreakerOpened = "BreakerOpened"
	// EventBreakerClosed is that the breaker lets calls through again; the note says why.
	EventBreakerClosed = "BreakerClosed"
	// EventBreakerForced is that spec.breaker.forced opened or closed the breaker.
	EventBreakerForced = "BreakerForced"
	// EventBreakerReleased is that spec.breaker.forced was removed.
	EventBreakerReleased = "BreakerReleased"
	// EventBudgetExhausted is that a limit is spent in full.
	EventBudgetExhausted = "BudgetExhausted"
	// EventBudgetRecovered is that no limit is spent in full any more.
	EventBudgetRecovered = "BudgetRecovered"
	// EventOvercommitted is that the limits of the children exceed a limit of the budget together.
	EventOvercommitted = "Overcommitted"
	// EventGranted is that a BudgetGrant counts from now on.
	EventGranted = "Granted"
	// EventGrantExpired is that the time of a BudgetGrant is over.
	EventGrantExpired = "GrantExpired"
	// EventDriftFound is that a counter and the ledger differ; the note says by how much.
	EventDriftFound = "DriftFound"
	// EventOrphanWithdrawn is that an object is gone without its finalizer, and what it had in force was withdrawn.
	EventOrphanWithdrawn = "OrphanWithdrawn"
	// EventKeysFetchFailed is that the keys of an IdentityProvider cannot be fetched.
	EventKeysFetchFailed = "KeysFetchFailed"
	// EventKeysFetched is that they can be fetched again.
	EventKeysFetched = "KeysFetched"
	// EventKeysChanged is that the issuer has other keys than before.
	EventKeysChanged = "KeysChanged"
	// EventStoreLost is that Redis, Postgres, or the enforcers' way to the ledger is out of reach, or that Redis refuses writes; on the ConfigMap bursar-manager.
	EventStoreLost = "StoreLost"
	// EventStoreBack is that it is within reach again.
	EventStoreBack = "StoreBack"
	// EventAlertsFailing is that alerts do not reach a recipient in spec.alerts.
	EventAlertsFailing = "AlertsFailing"
	// EventAlertsDelivered is that alerts reach everyone in spec.alerts again.
	EventAlertsDelivered = "AlertsDelivered"
	// EventUnreachable is that calls to a ModelProvider get no answers; the note says why.
	EventUnreachable = "Unreachable"
	// EventReachable is that they get answers again.
	EventReachable = "Reachable"
	// EventKeyUnusable is that a ModelProvider's key is missing, or the provider rejects it.
	EventKeyUnusable = "KeyUnusable"
	// EventKeyUsable is that the provider accepts the key again.
	EventKeyUsable = "KeyUsable"
)
