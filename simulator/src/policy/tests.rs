use super::*;

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  KeyArns: {Type: CommaDelimitedList, Default: "arn:aws:kms:us-east-1:123456789012:key/*, arn:aws:kms:eu-west-1:123456789012:key/*"}
  NoArns: {Type: CommaDelimitedList, Default: ""}
  Prefix: {Type: String, Default: elasticache}
Conditions:
  WithKeys: !Not [!Equals [!Ref Prefix, ""]]
Resources:
  LogGroup:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: /aws/lambda/elasticache-resource}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: logs
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: "logs:PutLogEvents", Resource: !GetAtt LogGroup.Arn}
  Unset:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: !Ref Role
      PolicyDocument:
        Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: !Ref NoArns}]
  More:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Roles: [!Ref Role]
      PolicyDocument:
        Statement: [{Effect: Allow, Action: "sns:Publish", Resource: "*"}]
  ElastiCacheResourceFunction:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt Role.Arn
      Policies:
        - AWSLambdaBasicExecutionRole
        - Version: "2012-10-17"
          Statement:
            - Sid: Reads
              Effect: Allow
              Action: ["ec2:Describe*", "elasticache:Describe*"]
              Resource: "*"
            - Sid: Secrets
              Effect: Allow
              Action: secretsmanager:*Secret*
              Resource: !Sub "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${Prefix}/*-??????"
            - Sid: Itself
              Effect: Allow
              Action: lambda:InvokeFunction
              Resource: {"Fn::GetAtt": [ElastiCacheResourceFunction, Arn]}
            - !If
              - WithKeys
              - Sid: Keys
                Effect: Allow
                Action: kms:Decrypt
                Resource: !Ref KeyArns
                Condition:
                  StringLike: {kms:ViaService: !Sub ["${s}.*.amazonaws.com", {s: secretsmanager}]}
              - !Ref AWS::NoValue
        - Statement:
            Effect: Allow
            Action: ec2:CreateTags
            Resource: !Join [":", ["arn:aws:ec2", !Ref AWS::Region, "*", "security-group/*"]]
            Condition:
              StringEquals: {ec2:CreateAction: CreateSecurityGroup}
              "ForAnyValue:StringEquals": {aws:TagKeys: ["elasticache-resource:stack-id"]}
        - Statement:
            - {Effect: Deny, Action: "ec2:DescribeTags", Resource: "*"}
"#;

fn policy() -> Policy {
    Policy::from_text(TEMPLATE).unwrap()
}

fn right(action: &str, resource: &str, context: &[(&str, &str)]) -> Right {
    let context = context.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Right { context, ..Right::new(action, resource) }
}

#[test]
fn actions_and_resources_match_with_wildcards() {
    let policy = policy();
    assert!(policy.allows(&Right::new("ec2:DescribeVpcs", "*")));
    assert!(policy.allows(&Right::new("EC2:describevpcs", "*")));
    assert!(!policy.allows(&Right::new("ec2:DeleteSecurityGroup", "*")));
    let secret = |name: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}");
    assert!(policy.allows(&Right::new("secretsmanager:GetSecretValue", secret("elasticache/app-AbCdEf"))));
    assert!(!policy.allows(&Right::new("secretsmanager:GetSecretValue", secret("other/app-AbCdEf"))));
    assert!(!policy.allows(&Right::new("secretsmanager:GetRandomPassword", "*")));
}

#[test]
fn functions_resolve_for_the_local_account() {
    let policy = policy();
    let function = "arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource";
    assert!(policy.allows(&Right::new("lambda:InvokeFunction", function)));
    let logs = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/elasticache-resource:*";
    assert!(policy.allows(&Right::new("logs:PutLogEvents", logs)));
}

#[test]
fn conditions_look_at_the_context() {
    let policy = policy();
    let key = "arn:aws:kms:us-east-1:123456789012:key/1";
    assert!(policy.allows(&right("kms:Decrypt", key, &[("kms:ViaService", "secretsmanager.us-east-1.amazonaws.com")])));
    assert!(!policy.allows(&Right::new("kms:Decrypt", key)));
    let group = "arn:aws:ec2:us-east-1:123456789012:security-group/*";
    let tag = ("aws:tagkeys", "elasticache-resource:stack-id");
    let created = ("ec2:CreateAction", "CreateSecurityGroup");
    assert!(policy.allows(&right("ec2:CreateTags", group, &[created, ("aws:TagKeys", "other"), tag])));
    assert!(!policy.allows(&right("ec2:CreateTags", group, &[created])));
    assert!(!policy.allows(&right("ec2:CreateTags", group, &[tag])));
}

#[test]
fn operators_follow_the_rules_for_absent_keys() {
    let holds = |operator: &str, values: &[&str], context: &[(&str, &str)]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let context: Vec<_> = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Condition::new(operator, "k".into(), values).unwrap().holds(&context)
    };
    assert!(holds("StringEqualsIfExists", &["a"], &[]));
    assert!(!holds("StringEqualsIfExists", &["a"], &[("k", "b")]));
    assert!(holds("StringNotEquals", &["a"], &[]));
    assert!(!holds("StringNotEquals", &["a", "b"], &[("k", "b")]));
    assert!(holds("Null", &["true"], &[]));
    assert!(holds("Null", &["false"], &[("k", "x")]));
    assert!(holds("Bool", &["true"], &[("k", "True")]));
    assert!(holds("ForAllValues:StringLike", &["a*", "b"], &[("k", "ax"), ("k", "b")]));
    assert!(!holds("ForAllValues:StringLike", &["a*"], &[("k", "ax"), ("k", "b")]));
    assert!(Condition::new("DateLessThan", "k".into(), vec![]).is_err());
}

#[test]
fn a_deny_wins_and_every_action_is_listed() {
    let policy = policy();
    assert!(!policy.allows(&Right::new("ec2:DescribeTags", "*")));
    assert_eq!(
        policy.actions(),
        [
            "ec2:CreateTags",
            "ec2:Describe*",
            "elasticache:Describe*",
            "kms:Decrypt",
            "lambda:InvokeFunction",
            "logs:PutLogEvents",
            "secretsmanager:*Secret*",
            "sns:Publish"
        ]
    );
    let used = ["ec2:DescribeVpcs", "secretsmanager:CreateSecret"].map(str::to_owned).into();
    assert_eq!(
        policy.unused(&used),
        [
            "ec2:CreateTags",
            "elasticache:Describe*",
            "kms:Decrypt",
            "lambda:InvokeFunction",
            "logs:PutLogEvents",
            "sns:Publish"
        ]
    );
}

#[test]
fn what_is_wrong_is_named() {
    let with = |statement: &str| {
        let text = format!(
            "Resources:\n  ElastiCacheResourceFunction:\n    Properties:\n      Policies:\n        - Statement:\n            \
             - {statement}\n"
        );
        Policy::from_text(&text).unwrap_err()
    };
    let error = with("{Sid: S, Effect: Allow, Action: 'a:b', Resource: !Sub 'arn:aws:x:${Nope}'}");
    assert_eq!(
        error,
        "ElastiCacheResourceFunction.Policies: statement S: Resource: there is no parameter or resource Nope"
    );
    assert!(with("{Effect: Allow, NotAction: 'a:b', Resource: '*'}").contains("statement 1: NotAction"));
    assert!(with("{Effect: Allow, Action: 'a:b'}").contains("Resource is missing"));
    assert!(with("{Effect: Allow, Action: 'a:b', Resource: 'sg-1'}").contains("neither an ARN nor *"));
    let error = with("{Effect: Allow, Action: 'a:b', Resource: '*', Condition: {DateLessThan: {k: v}}}");
    assert!(error.contains("condition operator DateLessThan is not known"));
    let managed = TEMPLATE.replace(
        "      Policies:\n        - PolicyName: logs",
        "      ManagedPolicyArns: [AdministratorAccess]\n      Policies:\n        - PolicyName: logs",
    );
    assert!(
        Policy::from_text(&managed)
            .unwrap_err()
            .contains("only inline statements can be checked, not AdministratorAccess")
    );
    assert_eq!(Policy::from_text("Resources: {}").unwrap_err(), "there is no resource ElastiCacheResourceFunction");
    assert!(Policy::from_text("a: [").unwrap_err().starts_with("Template format error: YAML not well-formed"));
}
