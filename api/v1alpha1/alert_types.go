package v1alpha1

// Alerts says who is told when a rung of the ladder is reached or a limit is spent in full: once for each limit, user, period and amount. Everyone named is told.
//
// +kubebuilder:validation:XValidation:rule="has(self.email) || has(self.webhook) || has(self.slack) || has(self.teams) || has(self.pagerDuty)",message="must set email, webhook, slack, teams or pagerDuty; to alert nobody, leave out alerts"
// +kubebuilder:validation:XValidation:rule="!has(self.filters) || self.filters.all(f, f.recipients.all(r, r == 'Webhook' ? has(self.webhook) : r == 'Slack' ? has(self.slack) : r == 'Teams' ? has(self.teams) : r == 'PagerDuty' ? has(self.pagerDuty) : has(self.email) && self.email.exists(e, e == r)))",message="must name recipients that alerts sets: an address in email, Webhook, Slack, Teams or PagerDuty",fieldPath=".filters"
type Alerts struct {
	// email lists the addresses that are told, each in a message of its own. Needs the manager's BURSAR_SMTP_URL and --smtp-from. Unset: no e-mail is sent.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Email []EmailAddress `json:"email,omitempty"`
	// webhook receives each alert as a CloudEvent, signed as Standard Webhooks specifies. Unset: nothing is posted.
	// +optional
	Webhook *AlertWebhook `json:"webhook,omitempty"`
	// slack names a Slack channel, or a channel of a compatible service such as Mattermost. Unset: nothing is posted there.
	// +optional
	Slack *SlackAlerts `json:"slack,omitempty"`
	// teams names a channel or chat of Microsoft Teams that has a workflow for webhooks. Unset: nothing is posted there.
	// +optional
	Teams *TeamsAlerts `json:"teams,omitempty"`
	// pagerDuty names a service of PagerDuty, where each message becomes an incident that is resolved when its cause is gone. Unset: PagerDuty is sent nothing.
	// +optional
	PagerDuty *PagerDutyAlerts `json:"pagerDuty,omitempty"`
	// filters narrow down what recipients are told of. A recipient that several filters name is told of what any of them selects; one that none names is told of every alert. Unset: everyone is told of every alert.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Filters []AlertFilter `json:"filters,omitempty"`
	// anomalies are what people are told of beside rungs and spent limits. These alerts are of severity Warning, and at most one a day of each kind about the same user. Unset: none of them.
	// +optional
	Anomalies *AlertAnomalies `json:"anomalies,omitempty"`
}

// AlertAnomalies say what is unusual enough to be told.
//
// +kubebuilder:validation:XValidation:rule="has(self.spending) || has(self.refusals) || has(self.unusedKeys)",message="must set spending, refusals or unusedKeys; for none of them, leave out anomalies"
type AlertAnomalies struct {
	// spending tells of an hour in which the tenant, or one of its users, spent far more than is usual at that hour of that weekday: more than four times the median of the last eight weeks, and more than that median by eight robust standard deviations. Nothing is told of who has spent for less than four weeks. Unset: not told.
	// +optional
	Spending *UnusualSpending `json:"spending,omitempty"`
	// refusals tells of an hour in which limits refused many of the tenant's calls. Unset: not told.
	// +optional
	Refusals *ManyRefusals `json:"refusals,omitempty"`
	// unusedKeys tells, once a month, of each APIKey of the tenant with which nobody has called for long. Unset: not told.
	// +optional
	UnusedKeys *UnusedKeys `json:"unusedKeys,omitempty"`
}

// UnusualSpending says which spending is too little to be told.
type UnusualSpending struct {
	// minAmount is what must have been spent within the hour, in the currency of the limits. Default: "1.00".
	// +optional
	MinAmount Amount `json:"minAmount,omitempty"`
}

// ManyRefusals says how many refused calls are many.
type ManyRefusals struct {
	// atPercent is how many of a hundred calls within the hour were refused. Default: 25.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	AtPercent *int32 `json:"atPercent,omitempty"`
	// minRefused is how many calls must have been refused within the hour, whatever the percentage. Default: 20.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	// +optional
	MinRefused *int64 `json:"minRefused,omitempty"`
}

// UnusedKeys says for how long is long.
type UnusedKeys struct {
	// days is for how many days nobody has called with the key, or since it was created. Default: 90.
	// +kubebuilder:validation:Minimum=7
	// +kubebuilder:validation:Maximum=365
	// +optional
	Days *int32 `json:"days,omitempty"`
}

// Recipients are all who are told, by the names that filters have for them; none of nil.
func (a *Alerts) Recipients() (names []AlertRecipient) {
	if a == nil {
		return nil
	}
	for _, address := range a.Email {
		names = append(names, AlertRecipient(address))
	}
	for _, channel := range []struct {
		name  AlertRecipient
		isSet bool
	}{
		{"Webhook", a.Webhook != nil}, {"Slack", a.Slack != nil}, {"Teams", a.Teams != nil}, {"PagerDuty", a.PagerDuty != nil},
	} {
		if channel.isSet {
			names = append(names, channel.name)
		}
	}
	return names
}

// AlertFilter selects the alerts that some recipients are told of.
//
// +kubebuilder:validation:XValidation:rule="has(self.limits) || has(self.minSeverity)",message="must set limits or minSeverity: without both, it selects every alert"
type AlertFilter struct {
	// recipients are those that the filter is for: addresses in email, and Webhook, Slack, Teams or PagerDuty for these.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=set
	// +required
	Recipients []AlertRecipient `json:"recipients"`
	// limits are the names of the limits in spec.limits of whose alerts the recipients are told. A breaker that is forced open is about no limit: it is told whatever limits are named. Anomalies are about no limit, and are not told where limits are named. Unset: all limits, and anomalies.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a limit"
	// +listType=set
	// +optional
	Limits []string `json:"limits,omitempty"`
	// minSeverity is the least severity of which the recipients are told. Critical: only when calls are refused, which is at a Trip rung, when a limit is fully spent, and while the breaker is forced open. Warning: at every rung. Default: Warning.
	// +kubebuilder:validation:Enum=Warning;Critical
	// +optional
	MinSeverity AlertSeverity `json:"minSeverity,omitempty"`
}

// AlertRecipient is an address in email, Webhook, Slack, Teams or PagerDuty.
//
// +kubebuilder:validation:MinLength=5
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self in ['Webhook', 'Slack', 'Teams', 'PagerDuty'] || self.contains('@')",message="must be an address in email, Webhook, Slack, Teams or PagerDuty"
type AlertRecipient string

// AlertSeverity is how severe an alert is.
type AlertSeverity string

// The severities of alerts.
const (
	SeverityWarning  AlertSeverity = "Warning"
	SeverityCritical AlertSeverity = "Critical"
)

// EmailAddress is an e-mail address, without a display name.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_%+-]+([.][A-Za-z0-9_%+-]+)*@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$')",message="must be an e-mail address without a name, such as \"ops@example.com\""
type EmailAddress string

// AlertWebhook names the URL that alerts are posted to. Exactly one of url and urlSecretRef must be set.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.urlSecretRef)",message="must set exactly one of url and urlSecretRef"
type AlertWebhook struct {
	// url is the https URL that alerts are posted to. The manager must be allowed to reach its host (--alert-allowed-hosts and --alert-allowed-networks; by default, the public internet). Redirects are not followed. Exactly one of url and urlSecretRef must be set.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https://[^/?#@ \\\\p{Cc}]+([/?#][^\\\\p{Cc}]*)?$')",message="must be a URL such as \"https://alerts.example.com/bursar\", with https and without user and password"
	// +optional
	URL string `json:"url,omitempty"`
	// urlSecretRef names the Secret key that contains the URL, if the URL is itself a secret. Exactly one of url and urlSecretRef must be set.
	// +optional
	URLSecretRef *SecretKeyRef `json:"urlSecretRef,omitempty"`
	// signingSecretRef names the Secret key that contains the signing secret: "whsec_" and the base64 of 24 to 64 random bytes. To rotate, store the old and the new secret separated by whitespace: each request is signed with both.
	// +required
	SigningSecretRef SecretKeyRef `json:"signingSecretRef"`
}

// SlackAlerts names a Slack channel.
type SlackAlerts struct {
	// urlSecretRef names the Secret key that contains the URL of the channel's incoming webhook. Anyone who has the URL can post to the channel.
	// +required
	URLSecretRef SecretKeyRef `json:"urlSecretRef"`
}

// TeamsAlerts names a channel or chat of Microsoft Teams.
type TeamsAlerts struct {
	// urlSecretRef names the Secret key that contains the URL of a workflow that begins with "When a Teams webhook request is received" and posts the card that it is sent. Anyone who has the URL can post there. The URL of an incoming webhook of the connectors that Microsoft has retired does not work.
	// +required
	URLSecretRef SecretKeyRef `json:"urlSecretRef"`
}

// PagerDutyAlerts names a service of PagerDuty.
type PagerDutyAlerts struct {
	// routingKeySecretRef names the Secret key that contains the integration key of the service's Events API v2 integration: 32 letters and digits.
	// +required
	RoutingKeySecretRef SecretKeyRef `json:"routingKeySecretRef"`
	// region is the service region of the PagerDuty account. US: events.pagerduty.com; EU: events.eu.pagerduty.com. Default: US.
	// +kubebuilder:validation:Enum=US;EU
	// +optional
	Region PagerDutyRegion `json:"region,omitempty"`
}

// PagerDutyRegion is a service region of PagerDuty.
type PagerDutyRegion string

// The service regions of PagerDuty.
const (
	PagerDutyUS PagerDutyRegion = "US"
	PagerDutyEU PagerDutyRegion = "EU"
)

// SecretKeyRef names a key of a Secret in the same namespace. The manager needs permission to read the Secret: a RoleBinding to the ClusterRole bursar-alert-secrets.
type SecretKeyRef struct {
	// name is the name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')",message="must be the name of a Secret"
	// +required
	Name string `json:"name"`
	// key is the key in the Secret's data.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._A-Za-z0-9]+$')",message="must be a key of a Secret: letters, digits and - . _"
	// +required
	Key string `json:"key"`
}
