package api_test

import (
	"errors"
	"testing"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestBounds: forms are told what the routes demand of the members of their bodies.
func TestBounds(t *testing.T) {
	amount, err := shared.api.BoundsOf("makeRequest", "amount")
	testkit.Must(t, err)
	if !amount.Required || amount.Pattern == "" || amount.MaxLength == nil || *amount.MaxLength != 32 {
		t.Errorf("amount: %+v", amount)
	}
	percent, err := shared.api.BoundsOf("changeBudget", "ladder.atPercent")
	testkit.Must(t, err)
	if percent.Min == nil || *percent.Min != 1 || percent.Max == nil || *percent.Max != 100 || percent.MaxItems == nil || *percent.MaxItems != 8 {
		t.Errorf("atPercent: %+v", percent)
	}
	per, err := shared.api.BoundsOf("changeRates", "limits.per")
	testkit.Must(t, err)
	if len(per.Choices) != 4 {
		t.Errorf("per: %+v", per)
	}
	for operation, member := range map[string]string{"makeRequest": "colour", "changeBudget": "limits.colour", "me": "tenant", "nothing": "amount"} {
		if _, err := shared.api.BoundsOf(operation, member); err == nil {
			t.Errorf("%s of %s has bounds", member, operation)
		}
	}
}

// TestCheckBody: a caller of a route's Question without HTTP gets the errors that the route
// would answer.
func TestCheckBody(t *testing.T) {
	right := api.NewRequest{Limit: "each-user", Amount: "5.00", Reason: "a report", ExpiresAt: now.AddDate(0, 0, 7)}
	testkit.Must(t, shared.api.CheckBody("makeRequest", right))
	for parameter, change := range map[string]func(*api.NewRequest){
		"body.amount": func(r *api.NewRequest) { r.Amount = "five" }, "body.reason": func(r *api.NewRequest) { r.Reason = " " },
		"body.limit": func(r *api.NewRequest) { r.Limit = "" },
	} {
		wrong := right
		change(&wrong)
		var problem *api.Problem
		if err := shared.api.CheckBody("makeRequest", wrong); !errors.As(err, &problem) || problem.Status != 422 || problem.Errors[0].Parameter != parameter {
			t.Errorf("%s: %v", parameter, err)
		}
	}
	limits := api.BudgetSpec{Limits: []api.WrittenLimit{{Name: "daily", Per: "Tenant", Period: "Day", Amount: "5.00"}, {Name: "other", Per: "Planet", Period: "Day", Amount: "5.00"}}}
	var problem *api.Problem
	if err := shared.api.CheckBody("changeBudget", limits); !errors.As(err, &problem) || problem.Errors[0].Parameter != "body.limits[1].per" {
		t.Errorf("per: %v", err)
	}
}
