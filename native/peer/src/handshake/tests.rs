//! What each side believes, and what nobody can forge.

use super::*;
use proptest::prelude::*;

fn place(id: u32) -> NodeAddress {
    let address = ([10, 0, 0, id as u8], 9001).into();
    NodeAddress { id, address }
}

fn credentials(node: u32) -> Credentials {
    let secrets = vec![b"first".to_vec(), b"second".to_vec()];
    Credentials {
        cluster: [1; 16],
        node,
        boot: 5,
        epoch: 3,
        layout_hash: [2; 16],
        versions: Versions { oldest: 1, newest: 2 },
        secrets,
        tls: None,
        nodes: [1, 2, 3].map(place).to_vec(),
    }
}

fn hello_of(me: &Credentials, to: u32) -> Hello {
    Hello {
        cluster: me.cluster,
        from: me.node,
        to,
        boot: me.boot,
        epoch: me.epoch,
        layout_hash: me.layout_hash,
        nonce: [7; 32],
        key_id: key_id(&me.secrets[0]),
        versions: me.versions,
        later: Vec::new(),
    }
}

fn welcome_of(me: &Credentials, hello: &Hello, secret: &[u8]) -> Welcome {
    let mut welcome = Welcome {
        cluster: me.cluster,
        node: me.node,
        boot: me.boot,
        epoch: me.epoch,
        layout_hash: me.layout_hash,
        nonce: [8; 32],
        version: 2,
        proof: [0; 32],
    };
    welcome.proof = prove(secret, Side::Responder, hello, &welcome, None);
    welcome
}

#[test]
fn equals_link_by_either_secret_of_the_responder() {
    let (one, two) = (credentials(1), credentials(2));
    for signing in 0..2 {
        let one = Credentials {
            secrets: vec![one.secrets[signing].clone()],
            ..one.clone()
        };
        let hello = hello_of(&one, 2);
        let (secret, version) = judge::hello(&two, &hello, None).expect("a known secret");
        assert_eq!((secret, version), (&one.secrets[0][..], 2));
        let welcome = welcome_of(&two, &hello, secret);
        assert_eq!(judge::welcome(&one, &hello, &welcome, &one.secrets[0], None), Ok(()));
        let proof = prove(&one.secrets[0], Side::Initiator, &hello, &welcome, None);
        let judged = |newest_session, at_address| {
            let known = KnownBoots {
                newest_session,
                at_address,
            };
            judge::confirm(&two, &hello, &welcome, &Confirm { proof }, secret, None, known)
        };
        assert_eq!(judged(Some(5), Some(5)), Ok(()));
        for (newest_session, at_address) in [(Some(6), None), (None, Some(4)), (None, Some(6)), (Some(5), Some(4))] {
            let refused = judged(newest_session, at_address);
            assert!(refused.is_err_and(|reason| reason.contains("duplicate node id")));
        }
    }
}

#[test]
fn a_proof_cannot_be_sent_back_or_used_again() {
    let (one, two) = (credentials(1), credentials(2));
    let hello = hello_of(&one, 2);
    let welcome = welcome_of(&two, &hello, &two.secrets[0]);
    let refused = |hello: &Hello, welcome: &Welcome, proof| {
        let reason = judge::confirm(
            &two,
            hello,
            welcome,
            &Confirm { proof },
            &two.secrets[0],
            None,
            KnownBoots::default(),
        );
        assert!(reason.is_err_and(|reason| reason.contains("wrong secret")));
    };
    refused(&hello, &welcome, welcome.proof);
    let proof = prove(&one.secrets[0], Side::Initiator, &hello, &welcome, None);
    refused(
        &hello,
        &Welcome {
            nonce: [9; 32],
            ..welcome.clone()
        },
        proof,
    );
    refused(&Hello { boot: 6, ..hello.clone() }, &welcome, proof);
    // Nor can anyone make two nodes speak an older version than they would.
    let older = Versions { oldest: 1, newest: 1 };
    refused(
        &Hello {
            versions: older,
            ..hello.clone()
        },
        &welcome,
        proof,
    );
    refused(&Hello { from: 3, ..hello }, &welcome, proof);
}

#[test]
fn what_differs_is_named() {
    let (one, two) = (credentials(1), credentials(2));
    let hello = hello_of(&one, 2);
    let cases = [
        (
            Hello {
                cluster: [9; 16],
                ..hello.clone()
            },
            "the clusters differ",
        ),
        (Hello { from: 2, ..hello.clone() }, "duplicate node id: both claim to be node 2"),
        (
            Hello { to: 3, ..hello.clone() },
            "it looks for node 3 at this address, which is node 2",
        ),
        (Hello { from: 4, ..hello.clone() }, "the layout of epoch 3 has no node 4"),
        (
            Hello {
                key_id: [9; 8],
                ..hello.clone()
            },
            "wrong secret: no secret with the id 0909090909090909",
        ),
        (
            Hello {
                versions: Versions { oldest: 3, newest: 4 },
                ..hello.clone()
            },
            "no protocol version in common: node 2 speaks 1 to 2, node 1 speaks 3 to 4; upgrade node 2",
        ),
    ];
    for (changed, text) in cases {
        let reason = judge::hello(&two, &changed, None).expect_err("it differs");
        assert!(reason.contains(text) && reason.starts_with("node 2 of cluster 0101"), "{reason}");
    }
    let welcome = welcome_of(&two, &hello, &two.secrets[0]);
    let cases = [
        (
            Welcome {
                cluster: [9; 16],
                ..welcome.clone()
            },
            "the clusters differ",
        ),
        (
            Welcome {
                node: 1,
                ..welcome.clone()
            },
            "duplicate node id: both claim to be node 1",
        ),
        (
            Welcome {
                node: 3,
                ..welcome.clone()
            },
            "expected node 2 at this address",
        ),
        (
            Welcome {
                boot: 9,
                ..welcome.clone()
            },
            "wrong secret: its proof is wrong",
        ),
        (
            {
                let mut chosen = Welcome {
                    version: 3,
                    ..welcome.clone()
                };
                chosen.proof = prove(&two.secrets[0], Side::Responder, &hello, &chosen, None);
                chosen
            },
            "it chose protocol version 3, this side speaks 1 to 2",
        ),
        (
            welcome_of(
                &Credentials {
                    layout_hash: [9; 16],
                    ..two.clone()
                },
                &hello,
                &two.secrets[0],
            ),
            "epoch 3 has layout 0202",
        ),
    ];
    for (changed, text) in cases {
        let reason = judge::welcome(&one, &hello, &changed, &one.secrets[0], None).expect_err("it differs");
        assert!(reason.contains(text) && reason.starts_with("node 1 of cluster 0101"), "{reason}");
    }
    let later = welcome_of(
        &Credentials {
            layout_hash: [9; 16],
            epoch: 4,
            ..two.clone()
        },
        &hello,
        &two.secrets[0],
    );
    assert_eq!(
        judge::welcome(&one, &hello, &later, &one.secrets[0], None),
        Ok(()),
        "another epoch is no reason"
    );
}

#[test]
fn what_later_versions_add_to_a_hello_is_passed_over_and_proven() {
    let (one, two) = (credentials(1), credentials(2));
    let hello = Hello {
        later: vec![1, 2, 3],
        ..hello_of(&one, 2)
    };
    let (mut head, mut bulk) = (Vec::new(), Vec::new());
    hello.encode(&mut Writer::new(&mut head, &mut bulk));
    let read: Hello = decode_all(&head, Bytes::new()).expect("a hello of a later version");
    assert_eq!(read, hello);
    assert!(judge::hello(&two, &read, None).is_ok());
    let welcome = welcome_of(&two, &read, &two.secrets[0]);
    let cut = Hello {
        later: Vec::new(),
        ..hello
    };
    assert!(judge::welcome(&one, &cut, &welcome, &one.secrets[0], None).is_err());
}

#[test]
fn texts_of_strangers_are_made_harmless() {
    assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    assert_eq!(printable(&"x".repeat(2 * MAX_REASON_CHARS)).len(), MAX_REASON_CHARS);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_all::<Hello>(&bytes, Bytes::new());
        let _ = decode_all::<Welcome>(&bytes, Bytes::new());
        let _ = decode_all::<Confirm>(&bytes, Bytes::new());
        let _ = decode_all::<Refused>(&bytes, Bytes::new());
    }
}
