package alert

import (
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// newTeams makes what posts Adaptive Cards to a workflow of Microsoft Teams.
func newTeams(poster poster, secrets secrets) *incoming {
	return &incoming{
		poster: poster, secrets: secrets, receiver: "Teams workflow",
		url:  func(a *v1alpha1.Alerts) v1alpha1.SecretKeyRef { return a.Teams.URLSecretRef },
		body: func(budget *v1alpha1.TenantBudget, d letter) any { return teamsMessageOf(budget, d) },
	}
}

// teamsMessage is the body that the workflow "Post to a channel when a webhook request is
// received" takes.
type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string       `json:"contentType"`
	Content     adaptiveCard `json:"content"`
}

// adaptiveCard is an Adaptive Card of version 1.4, which Teams shows everywhere. It has
// RichTextBlocks alone: what users are called must be no link and no mention, and these are the
// elements in which Markdown means nothing.
type adaptiveCard struct {
	Schema  string          `json:"$schema"`
	Type    string          `json:"type"`
	Version string          `json:"version"`
	Body    []richTextBlock `json:"body"`
	Actions []openURL       `json:"actions,omitempty"`
	Teams   teamsWidth      `json:"msteams"`
}

type richTextBlock struct {
	Type    string    `json:"type"`
	Inlines []textRun `json:"inlines"`
}

type textRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Color  string `json:"color,omitempty"`
}

type openURL struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

type teamsWidth struct {
	Width string `json:"width"`
}

func teamsMessageOf(budget *v1alpha1.TenantBudget, d letter) teamsMessage {
	head := textRun{Type: "TextRun", Text: title(d), Weight: "bolder", Size: "medium", Color: "warning"}
	if severity(d.Rung) == v1alpha1.SeverityCritical {
		head.Color = "attention"
	}
	card := adaptiveCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Body: []richTextBlock{{"RichTextBlock", []textRun{head}}}, Teams: teamsWidth{"Full"},
	}
	lines := messages(d, "• ")
	if names := spenders(d); names != "" {
		lines = append(lines, "Top spenders: "+names)
	}
	if budget.Spec.Contact != "" {
		lines = append(lines, "Contact: "+budget.Spec.Contact)
	}
	for _, line := range lines {
		card.Body = append(card.Body, richTextBlock{"RichTextBlock", []textRun{{Type: "TextRun", Text: line}}})
	}
	if d.link != "" {
		card.Actions = []openURL{{"Action.OpenUrl", "Details", d.link}}
	}
	return teamsMessage{"message", []teamsAttachment{{"application/vnd.microsoft.card.adaptive", card}}}
}
