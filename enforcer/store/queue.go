package store

const (
	// mostTogether is how many calls are sent with one write, at most: the first of them has its
	// answer with the last.
	mostTogether = 64
	// mostLimits is how many limits they are checked against together, at most, unless a single call
	// has more. Redis does nothing else meanwhile.
	mostLimits = 1000
)

// queue is the calls that wait to be sent: of each tenant in the order in which they came, of one
// tenant after the other. So none waits for more than one call of each other tenant, and not for
// all that one of them makes.
type queue struct {
	// tenants are those with calls that wait, the next first.
	tenants []string
	calls   map[string][]*sent
}

func (q *queue) isEmpty() bool { return len(q.tenants) == 0 }

func (q *queue) add(s *sent) {
	if q.calls == nil {
		q.calls = map[string][]*sent{}
	}
	tenant := s.call.tenant()
	if len(q.calls[tenant]) == 0 {
		q.tenants = append(q.tenants, tenant)
	}
	q.calls[tenant] = append(q.calls[tenant], s)
}

// batch takes the calls that are to be sent next out of the queue.
func (q *queue) batch() (batch []*sent) {
	limits := 0
	for len(q.tenants) > 0 && len(batch) < mostTogether {
		tenant := q.tenants[0]
		next := q.calls[tenant][0]
		limits += next.call.limits()
		if len(batch) > 0 && limits > mostLimits {
			break
		}
		batch = append(batch, next)
		q.tenants = q.tenants[1:]
		if q.calls[tenant] = q.calls[tenant][1:]; len(q.calls[tenant]) > 0 {
			q.tenants = append(q.tenants, tenant)
		} else {
			delete(q.calls, tenant)
		}
	}
	return batch
}
