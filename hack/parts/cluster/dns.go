package cluster

import (
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// dnsServer resolves the names of Services, and nothing else: no pod needs more here.
type dnsServer struct {
	connection net.PacketConn
	services   corelisters.ServiceLister
	stopped    chan struct{}
}

func startDNS(client kubernetes.Interface, address string) (*dnsServer, error) {
	connection, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	s := &dnsServer{connection: connection, services: factory.Core().V1().Services().Lister(), stopped: make(chan struct{})}
	factory.Start(s.stopped)
	factory.WaitForCacheSync(s.stopped)
	go s.serve()
	return s, nil
}

func (s *dnsServer) stop() {
	close(s.stopped)
	_ = s.connection.Close() // nobody asks any more
}

func (s *dnsServer) serve() {
	query := make([]byte, 512)
	for {
		n, from, err := s.connection.ReadFrom(query)
		if err != nil {
			return // stopped
		}
		if answer, err := s.answer(query[:n]); err == nil {
			_, _ = s.connection.WriteTo(answer, from) // a client that does not get it asks again
		}
	}
}

func (s *dnsServer) answer(query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{question},
	}
	address, found := s.address(question.Name.String())
	switch {
	case !found:
		message.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 5},
			Body:   &dnsmessage.AResource{A: address},
		}}
	}
	return message.Pack()
}

// address is the address of the Service with a name such as "bursar-redis.bursar-system.svc.cluster.local.".
func (s *dnsServer) address(name string) (address [4]byte, found bool) {
	name, found = strings.CutSuffix(strings.ToLower(name), ".svc."+domain+".")
	service, namespace, cut := strings.Cut(name, ".")
	if !found || !cut {
		return address, false
	}
	known, err := s.services.Services(namespace).Get(service)
	if err != nil {
		return address, false
	}
	ip := net.ParseIP(known.Spec.ClusterIP).To4()
	return [4]byte(append(ip, make([]byte, 4-len(ip))...)), ip != nil
}
