// A candidate of Go's concurrency.Election, for the tests of sharing elections with it.
// Usage: campaign ENDPOINT ELECTION VALUE. Prints "leader VALUE REVISION" for each leader it observes and
// "elected REVISION" when it leads; a line "resign" on its input ends it.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}})
	must(err)
	session, err := concurrency.NewSession(client, concurrency.WithTTL(2))
	must(err)
	election := concurrency.NewElection(session, os.Args[2])
	ctx := context.Background()
	go func() {
		for answer := range election.Observe(ctx) {
			fmt.Printf("leader %s %d\n", answer.Kvs[0].Value, answer.Kvs[0].CreateRevision)
		}
	}()
	must(election.Campaign(ctx, os.Args[3]))
	fmt.Printf("elected %d\n", election.Rev())
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		if input.Text() == "resign" {
			must(election.Resign(ctx))
			must(session.Close())
			return
		}
	}
	select {}
}
