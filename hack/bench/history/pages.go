package main

import (
	"math/rand/v2"
	"time"
)

// pageQuestions ask for every page that is shown, by what each offers to choose from.
func pageQuestions(now time.Time, site *site, k known) []question {
	a := asked{site: site, kind: "page"}
	spans := []string{"span=30d", "span=7d", "span=month", "span=last-month", "span=90d", "from=" + now.Format(time.DateOnly)}
	for _, user := range []string{employee, admin} {
		for _, span := range spans {
			a.add(user, "/usage?"+span)
			a.add(user, "/calls?"+span)
			a.add(user, "/calls?kind=refused&"+span)
		}
		for _, where := range []string{"model=model-0", "provider=google", "group=team-0", "model=none"} {
			a.add(user, "/calls?span=90d&"+where)
			a.add(user, "/calls?span=90d&kind=refused&"+where)
		}
		for _, path := range []string{"/alerts", "/alerts?kind=open", "/keys", "/keys?make=1", "/keys/ana-laptop", "/requests", "/requests/new"} {
			a.add(user, path)
		}
	}
	a.addEach(employee, "/calls/{id}", func(r *rand.Rand) string { return "/calls/" + pick(r, k.own) })
	a.addEach(admin, "/calls/{id}", func(r *rand.Rand) string { return "/calls/" + pick(r, k.calls) })
	a.addEach(admin, "/calls/{id}, refused", func(r *rand.Rand) string { return "/calls/" + pick(r, k.refused) })
	for _, span := range spans {
		for _, by := range []string{"user", "group", "model", "provider"} {
			a.add(admin, "/costs?by="+by+"&"+span)
		}
		for _, by := range []string{"tenant", "model", "provider"} {
			a.add(adminAbove, "/costs?by="+by+"&"+span)
		}
		a.add(adminAbove, "/costs?tenant="+tenant+"&"+span)
	}
	for _, where := range []string{"user=" + employee, "user=" + userName(77), "group=team-7", "model=model-3", "provider=google"} {
		for _, by := range []string{"user", "model"} {
			a.add(admin, "/costs?span=90d&by="+by+"&"+where)
		}
		a.add(admin, "/calls?span=90d&"+where)
		a.add(admin, "/calls?span=90d&kind=refused&"+where)
	}
	for _, path := range []string{"/keys?kind=unused", "/budgets", "/budgets?grants=all", "/budgets/limits", "/budgets/ladder", "/budgets/alerts", "/budgets/rates/tiers", "/grants/new"} {
		a.add(admin, path)
	}
	a.add(adminAbove, "/budgets?tenant="+tenant)
	a.add(platformAdmin, "/costs?tenant="+tenant)
	a.add(platformAdmin, "/health")
	return a.all
}
