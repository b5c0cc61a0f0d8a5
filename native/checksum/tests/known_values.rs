//! Checksums and digests have the values their standards and S3 publish.

use openlake_checksum::{Algorithm, Crc32, Crc32c, Crc64, Hasher, Kernel, crc64, crc64_seeded, md5, sha1, sha256};

const CHECK: &[u8] = b"123456789";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn crcs_have_their_published_check_values_with_every_kernel() {
    for kernel in Kernel::available() {
        let mut crc = Crc64::with_kernel(kernel);
        crc.update(CHECK);
        assert_eq!(crc.finish(), 0xae8b_1486_0a79_9888, "{}", kernel.name());
        let mut crc = Crc32::with_kernel(kernel);
        crc.update(CHECK);
        assert_eq!(crc.finish(), 0xcbf4_3926, "{}", kernel.name());
        let mut crc = Crc32c::with_kernel(kernel);
        crc.update(CHECK);
        assert_eq!(crc.finish(), 0xe306_9283, "{}", kernel.name());
    }
}

#[test]
fn crc64_of_pages_has_the_values_of_the_nvme_specification() {
    // NVM Command Set Specification 1.0, figure "64b CRC Test Cases for 4 KiB": zeros, ones, counting up, counting down.
    let counting_up: Vec<u8> = (0..4096_u32).map(|i| i as u8).collect();
    let counting_down: Vec<u8> = (0..4096_u32).map(|i| !i as u8).collect();
    assert_eq!(crc64(&[0; 4096]), 0x6482_d367_eb22_b64e);
    assert_eq!(crc64(&[0xff; 4096]), 0xc0dd_ba73_02ec_a3ac);
    assert_eq!(crc64(&counting_up), 0x3e72_9f5f_6750_449c);
    assert_eq!(crc64(&counting_down), 0x9a2d_f64b_8e9e_517e);
}

#[test]
fn crc32c_of_32_bytes_has_the_values_of_rfc_3720() {
    let value = |bytes: &[u8]| {
        let mut crc = Crc32c::new();
        crc.update(bytes);
        crc.finish()
    };
    let counting_up: Vec<u8> = (0..32).collect();
    assert_eq!(value(&[0; 32]), 0x8a91_36aa);
    assert_eq!(value(&[0xff; 32]), 0x62a8_ab43);
    assert_eq!(value(&counting_up), 0x46dd_794e);
}

#[test]
fn a_seeded_crc64_is_that_of_the_seeds_little_endian_bytes_and_then_the_content() {
    assert_eq!(
        crc64_seeded(0x0807_0605_0403_0201, &[9, 10]),
        crc64(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    );
    assert_ne!(crc64_seeded(1, CHECK), crc64_seeded(2, CHECK));
}

#[test]
fn digests_have_their_published_values() {
    assert_eq!(hex(&md5::digest(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
    let mut sha = sha1::Sha1::new();
    sha.update(b"a");
    sha.update(b"bc");
    assert_eq!(hex(&sha.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(
        hex(&sha256::digest(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        hex(&sha256::digest(b"")),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let mut streamed = md5::Md5::new();
    streamed.update(b"ab");
    streamed.update(b"c");
    assert_eq!(streamed.finish(), md5::digest(b"abc"));
}

#[test]
fn hmac_has_the_values_of_rfc_4231() {
    assert_eq!(
        hex(&sha256::hmac(&[0x0b; 20], b"Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    assert_eq!(
        hex(&sha256::hmac(b"Jefe", b"what do ya want for nothing?")),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        hex(&sha256::hmac(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First"
        )),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn hashers_end_in_the_bytes_that_s3_puts_into_base64() {
    let of = |algorithm| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"1234");
        hasher.update(b"56789");
        hasher.finish()
    };
    assert_eq!(hex(&of(Algorithm::Crc32)), "cbf43926");
    assert_eq!(hex(&of(Algorithm::Crc32c)), "e3069283");
    assert_eq!(hex(&of(Algorithm::Crc64Nvme)), "ae8b14860a799888");
    assert_eq!(hex(&of(Algorithm::Sha1)), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
    assert_eq!(
        hex(&of(Algorithm::Sha256)),
        "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
    );
    for algorithm in Algorithm::ALL {
        assert_eq!(of(algorithm).len(), algorithm.length_bytes());
    }
}

#[test]
fn algorithms_are_found_by_value_name_and_header_name_in_any_case() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_header(algorithm.name()), Some(algorithm));
        assert_eq!(Algorithm::from_header(algorithm.header_name()), Some(algorithm));
        assert_eq!(
            Algorithm::from_header(&algorithm.header_name().to_ascii_uppercase()),
            Some(algorithm)
        );
    }
    assert_eq!(Algorithm::from_header("crc32c"), Some(Algorithm::Crc32c));
    for unknown in [
        "",
        "CRC",
        "CRC32 ",
        "MD5",
        "x-amz-checksum-",
        "x-amz-checksum-type",
        "ünïcödé-checksum-crc32",
    ] {
        assert_eq!(Algorithm::from_header(unknown), None, "{unknown}");
    }
}
