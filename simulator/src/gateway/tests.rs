use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use crate::LocalAws;
use crate::faults::{Fault, Kind};
use crate::journal::Caller;
use crate::local_aws::Cut;
use crate::policy::Policy;

const POLICY: &str = "
Resources:
  ElastiCacheResourceFunction:
    Properties:
      Policies:
        - Statement:
            - {Effect: Allow, Action: 'ec2:DescribeVpcs', Resource: '*'}
            - {Effect: Allow, Action: 'secretsmanager:*', Resource: '*'}
";

fn signed(key: &str, service: &str) -> http::request::Builder {
    let scope = format!("AWS4-HMAC-SHA256 Credential={key}/20261101/us-east-1/{service}/aws4_request, Signature=0");
    Request::post("https://api.amazonaws.com/").header("authorization", scope)
}

fn query(key: &str, service: &str, body: &'static str) -> Request<Bytes> {
    signed(key, service).body(Bytes::from(body)).unwrap()
}

async fn send(aws: &LocalAws, request: Request<Bytes>) -> (u16, String) {
    let response: Response<Bytes> = aws.handle(request).await.unwrap();
    (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
}

fn vpcs() -> Request<Bytes> {
    query("AKIDFUNCTION", "ec2", "Action=DescribeVpcs")
}

#[tokio::test(start_paused = true)]
async fn the_scope_decides_service_and_protocol() {
    let aws = LocalAws::new(1.0, None);
    let (status, body) = send(&aws, vpcs()).await;
    assert_eq!(status, 200);
    assert!(body.contains("<vpcSet><item>"), "{body}");
    let (status, body) = send(&aws, query("K", "elasticache", "Action=Nope&Version=2015-02-02")).await;
    assert_eq!(status, 400);
    assert!(body.contains("<Code>InvalidAction</Code>"), "{body}");
    let secret = signed("K", "secretsmanager")
        .header("x-amz-target", "secretsmanager.DescribeSecret")
        .body(Bytes::from(r#"{"SecretId":"x"}"#))
        .unwrap();
    let (status, body) = send(&aws, secret).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["__type"]), (400, &json!("ResourceNotFoundException")));
    assert_eq!(send(&aws, query("K", "sqs", "")).await.0, 403);
    assert_eq!(send(&aws, Request::new(Bytes::new())).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn everybody_may_ask_who_they_are() {
    let aws = LocalAws::new(1.0, Some(Policy::from_text(POLICY).unwrap()));
    for (key, arn) in [
        (
            "AKIDFUNCTION",
            "<Arn>arn:aws:sts::123456789012:assumed-role/elasticache-resource-role/elasticache-resource</Arn>",
        ),
        ("AKIDLOCALADMIN", "<Arn>arn:aws:iam::123456789012:user/administrator</Arn>"),
    ] {
        let (status, body) = send(&aws, query(key, "sts", "Action=GetCallerIdentity&Version=2011-06-15")).await;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(arn) && body.contains("<Account>123456789012</Account>"), "{body}");
    }
    assert!(aws.refusals().is_empty());
    assert!(send(&aws, query("K", "sts", "Action=AssumeRole")).await.1.contains("<Code>InvalidAction</Code>"));
}

/// A service that is not here is refused in the protocol that the client speaks.
#[tokio::test(start_paused = true)]
async fn an_unknown_service_is_refused_in_the_protocol_of_the_request() {
    let aws = LocalAws::new(1.0, None);
    let answer = |request: http::request::Builder| {
        let aws = aws.clone();
        async move {
            let response = aws.handle(request.body(Bytes::new()).unwrap()).await.unwrap();
            assert_eq!(response.status(), 403);
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (header("content-type").unwrap(), header("x-amzn-errortype").unwrap(), response.into_body())
        }
    };
    for (kind, target) in
        [("application/x-amz-json-1.0", "DynamoDB_20120810.ListTables"), ("application/x-amz-json-1.1", "Logs.X")]
    {
        let request = signed("K", "logs").header("content-type", kind).header("x-amz-target", target);
        let (answered, code, body) = answer(request).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (answered.as_str(), code.as_str(), &body["__type"]),
            (kind, "UnknownService", &json!("UnknownService"))
        );
        assert!(body["message"].as_str().unwrap().contains("\"logs\""), "{body}");
    }
    let (kind, _, body) = answer(signed("K", "scheduler")).await;
    assert_eq!((kind.as_str(), body[0]), ("application/json", b'{'));
    let form = signed("K", "sqs").header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let (kind, _, body) = answer(form).await;
    assert!(kind.starts_with("text/xml") && body.starts_with(b"<ErrorResponse"), "{body:?}");
    assert!(answer(signed("K", "s3")).await.2.starts_with(b"<ErrorResponse"));
    let cbor = signed("K", "oam").header("content-type", "application/cbor").header("smithy-protocol", "rpc-v2-cbor");
    let (kind, _, body) = answer(cbor).await;
    assert_eq!((kind.as_str(), body[0]), ("application/cbor", 0xa2));
}

#[tokio::test(start_paused = true)]
async fn the_policy_binds_the_function_and_not_the_administrator() {
    let aws = LocalAws::new(1.0, Some(Policy::from_text(POLICY).unwrap()));
    assert_eq!(send(&aws, vpcs()).await.0, 200);
    let subnets = "Action=DescribeSubnets";
    let (status, body) = send(&aws, query("AKIDFUNCTION", "ec2", subnets)).await;
    assert_eq!(status, 403);
    assert!(body.contains("<Code>UnauthorizedOperation</Code>"), "{body}");
    assert!(body.contains("is not authorized to perform: ec2:DescribeSubnets on resource: *"), "{body}");
    assert_eq!(send(&aws, query("AKIDLOCALADMIN", "ec2", subnets)).await.0, 200);
    assert_eq!(aws.used_actions().into_iter().collect::<Vec<_>>(), ["ec2:DescribeVpcs"]);
    assert_eq!(aws.refusals().iter().map(|right| right.action.as_str()).collect::<Vec<_>>(), ["ec2:DescribeSubnets"]);
    let journal = aws.journal();
    assert_eq!(journal.len(), 3);
    assert_eq!(journal[1].outcome, Err("UnauthorizedOperation".into()));
    assert_eq!(journal[2].caller, Caller::Administrator);
    let invoke = signed("K", "lambda").uri("/2015-03-31/functions/elasticache-resource/invocations");
    let response = aws.handle(invoke.body(Bytes::from("{}")).unwrap()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-amzn-errortype"]),
        (403, &"AccessDeniedException".parse().unwrap())
    );
    let function = "arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource";
    assert_eq!(aws.refusals()[1].resource, function);
}

#[tokio::test(start_paused = true)]
async fn faults_hit_the_function_and_show_in_the_journal() {
    let aws = LocalAws::new(1.0, None);
    let mut watched = aws.subscribe();
    aws.fault(Fault::on("DescribeVpcs", 1, Kind::throttled()));
    aws.fault(Fault::on("DescribeVpcs", 2, Kind::http_500()));
    aws.fault(Fault::on("ec2:DescribeVpcs", 3, Kind::Denied));
    aws.fault(Fault::on("*", 4, Kind::Slow(Duration::from_secs(7))));
    assert_eq!(send(&aws, query("AKIDLOCALADMIN", "ec2", "Action=DescribeVpcs")).await.0, 200);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(send(&aws, vpcs()).await.0);
    }
    assert_eq!(statuses, [503, 500, 403]);
    let before = aws.clock().now();
    assert_eq!(send(&aws, vpcs()).await.0, 200);
    assert_eq!(aws.clock().now() - before, Duration::from_secs(7));
    let outcomes: Vec<_> = aws.journal().into_iter().filter_map(|entry| entry.outcome.err()).collect();
    assert_eq!(outcomes, ["RequestLimitExceeded", "InternalFailure", "UnauthorizedOperation"]);
    assert_eq!(watched.recv().await.unwrap().caller, Caller::Administrator);
    assert_eq!(watched.recv().await.unwrap().outcome, Err("RequestLimitExceeded".into()));
}

#[tokio::test(start_paused = true)]
async fn a_cut_comes_before_or_after_the_effect() {
    let aws = LocalAws::new(1.0, None);
    let create = || query("K", "ec2", "Action=CreateSecurityGroup&GroupName=c&GroupDescription=d");
    aws.fault(Fault::on("CreateSecurityGroup", 1, Kind::CutBefore));
    aws.fault(Fault::on("CreateSecurityGroup", 2, Kind::CutAfter));
    let groups = || aws.with(|world, _| world.ec2.security_groups().filter(|group| group.name == "c").count());
    assert!(matches!(aws.handle(create()).await, Err(Cut)));
    assert_eq!(groups(), 0);
    assert!(matches!(aws.handle(create()).await, Err(Cut)));
    assert_eq!(groups(), 1);
    assert!(send(&aws, create()).await.1.contains("InvalidGroup.Duplicate"));
    let outcomes: Vec<_> = aws.journal().into_iter().filter_map(|entry| entry.outcome.err()).collect();
    assert_eq!(outcomes, ["CutBefore", "CutAfter", "InvalidGroup.Duplicate"]);
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_rate_are_throttled() {
    let aws = LocalAws::new(1.0, None);
    aws.limit_calls_per_second(2);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(send(&aws, vpcs()).await.0);
    }
    assert_eq!(statuses, [200, 200, 503]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(send(&aws, vpcs()).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn leftovers_are_found_by_their_tag() {
    let aws = LocalAws::new(1.0, None);
    let tag = "Action=CreateTags&ResourceId.1=sg-0a00000000000aa01&Tag.1.Key=owner&Tag.1.Value=me";
    send(&aws, query("K", "ec2", tag)).await;
    let create = json!({"Name": "s", "SecretString": "v", "Tags": [{"Key": "owner", "Value": "me"}]}).to_string();
    let create =
        signed("K", "secretsmanager").header("x-amz-target", "secretsmanager.CreateSecret").body(Bytes::from(create));
    send(&aws, create.unwrap()).await;
    let left = aws.leftovers("owner");
    assert_eq!(left[0], "sg-0a00000000000aa01");
    assert!(left[1].starts_with("arn:aws:secretsmanager:"), "{left:?}");
    assert_eq!(aws.leftovers("other"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn answers_need_no_signature_and_are_not_in_the_journal() {
    let aws = LocalAws::new(1.0, None);
    let host = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/key?X-Amz-Signature=0";
    let path = "http://127.0.0.1:4000/cloudformation-custom-resource-response/key";
    for url in [host, path] {
        // What the box makes of it is its own matter; the gateway would have asked for a signature with 403 in XML.
        let response = aws.handle(Request::put(url).body(Bytes::from("{}")).unwrap()).await.unwrap();
        assert!(!String::from_utf8_lossy(response.body()).contains("MissingAuthenticationToken"), "{url}");
    }
    assert!(aws.journal().is_empty());
}
