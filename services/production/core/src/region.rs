//! The 36 regions of the platform: 31 provinces and the five separately planned cities.
//!
//! A region is a first-class dimension of every rule and tariff. Dalian, Ningbo, Xiamen, Qingdao
//! and Shenzhen are regions of their own and come before the province that surrounds them.
//! Taiwan, Hong Kong and Macao are not covered.

use crate::code::UnknownCode;
use crate::coded_enum;

coded_enum! {
    /// A region of the platform by its six-digit GB/T 2260 code.
    ///
    /// Source: `tariffs/province_codes.csv`.
    pub enum Region ("region") {
        Beijing = "110000", "北京市", "Beijing";
        Tianjin = "120000", "天津市", "Tianjin";
        Hebei = "130000", "河北省", "Hebei";
        Shanxi = "140000", "山西省", "Shanxi";
        InnerMongolia = "150000", "内蒙古自治区", "Inner Mongolia";
        Liaoning = "210000", "辽宁省", "Liaoning";
        Dalian = "210200", "大连市", "Dalian";
        Jilin = "220000", "吉林省", "Jilin";
        Heilongjiang = "230000", "黑龙江省", "Heilongjiang";
        Shanghai = "310000", "上海市", "Shanghai";
        Jiangsu = "320000", "江苏省", "Jiangsu";
        Zhejiang = "330000", "浙江省", "Zhejiang";
        Ningbo = "330200", "宁波市", "Ningbo";
        Anhui = "340000", "安徽省", "Anhui";
        Fujian = "350000", "福建省", "Fujian";
        Xiamen = "350200", "厦门市", "Xiamen";
        Jiangxi = "360000", "江西省", "Jiangxi";
        Shandong = "370000", "山东省", "Shandong";
        Qingdao = "370200", "青岛市", "Qingdao";
        Henan = "410000", "河南省", "Henan";
        Hubei = "420000", "湖北省", "Hubei";
        Hunan = "430000", "湖南省", "Hunan";
        Guangdong = "440000", "广东省", "Guangdong";
        Shenzhen = "440300", "深圳市", "Shenzhen";
        Guangxi = "450000", "广西壮族自治区", "Guangxi";
        Hainan = "460000", "海南省", "Hainan";
        Chongqing = "500000", "重庆市", "Chongqing";
        Sichuan = "510000", "四川省", "Sichuan";
        Guizhou = "520000", "贵州省", "Guizhou";
        Yunnan = "530000", "云南省", "Yunnan";
        Tibet = "540000", "西藏自治区", "Tibet";
        Shaanxi = "610000", "陕西省", "Shaanxi";
        Gansu = "620000", "甘肃省", "Gansu";
        Qinghai = "630000", "青海省", "Qinghai";
        Ningxia = "640000", "宁夏回族自治区", "Ningxia";
        Xinjiang = "650000", "新疆维吾尔自治区", "Xinjiang";
    }
}

impl Region {
    /// The region a six-digit GB/T 2260 area lies in.
    ///
    /// A separately planned city owns its districts; the rest of the province belongs to the
    /// province. Whether the county below exists is not judged: county codes change every year.
    pub fn of_area(area: &str) -> Result<Region, UnknownCode> {
        let unknown = || UnknownCode::new("area code", area);
        if area.len() != 6 || !area.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(unknown());
        }
        Region::of_area4(&area[..4]).ok_or_else(unknown)
    }

    /// The region of the first four digits of an area code, as platform numbers carry them.
    pub fn of_area4(area4: &str) -> Option<Region> {
        let area4 = <&[u8; 4]>::try_from(area4.as_bytes()).ok()?;
        if !area4.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // Pieces of a fixed length are compared as numbers are: history reads many platform numbers.
        let city = |region: &&Region| {
            region.is_separately_planned() && region.code().as_bytes().first_chunk() == Some(area4)
        };
        let province = area4.first_chunk::<2>();
        let lies_in = |region: &&Region| region.code().as_bytes().first_chunk() == province;
        Region::ALL.iter().find(city).or_else(|| Region::ALL.iter().find(lies_in)).copied()
    }

    /// First four digits of the code, for example 4403 for Shenzhen.
    pub fn area4(self) -> u16 {
        self.code()[..4].parse().unwrap_or(0)
    }

    /// Whether this is one of the five cities with a plan of their own (计划单列市).
    pub const fn is_separately_planned(self) -> bool {
        matches!(
            self,
            Region::Dalian | Region::Ningbo | Region::Xiamen | Region::Qingdao | Region::Shenzhen
        )
    }

    /// The province around a separately planned city; any other region is its own.
    pub const fn province(self) -> Region {
        match self {
            Region::Dalian => Region::Liaoning,
            Region::Ningbo => Region::Zhejiang,
            Region::Xiamen => Region::Fujian,
            Region::Qingdao => Region::Shandong,
            Region::Shenzhen => Region::Guangdong,
            other => other,
        }
    }

    /// What plates of the region begin with: the province character, or character and office
    /// letter for a separately planned city.
    pub const fn plate_prefixes(self) -> &'static [&'static str] {
        match self {
            Region::Beijing => &["京"],
            Region::Tianjin => &["津"],
            Region::Hebei => &["冀"],
            Region::Shanxi => &["晋"],
            Region::InnerMongolia => &["蒙"],
            Region::Liaoning => &["辽"],
            Region::Dalian => &["辽B"],
            Region::Jilin => &["吉"],
            Region::Heilongjiang => &["黑"],
            Region::Shanghai => &["沪"],
            Region::Jiangsu => &["苏"],
            Region::Zhejiang => &["浙"],
            Region::Ningbo => &["浙B"],
            Region::Anhui => &["皖"],
            Region::Fujian => &["闽"],
            Region::Xiamen => &["闽D"],
            Region::Jiangxi => &["赣"],
            Region::Shandong => &["鲁"],
            Region::Qingdao => &["鲁B", "鲁U"],
            Region::Henan => &["豫"],
            Region::Hubei => &["鄂"],
            Region::Hunan => &["湘"],
            Region::Guangdong => &["粤"],
            Region::Shenzhen => &["粤B"],
            Region::Guangxi => &["桂"],
            Region::Hainan => &["琼"],
            Region::Chongqing => &["渝"],
            Region::Sichuan => &["川"],
            Region::Guizhou => &["贵"],
            Region::Yunnan => &["云"],
            Region::Tibet => &["藏"],
            Region::Shaanxi => &["陕"],
            Region::Gansu => &["甘"],
            Region::Qinghai => &["青"],
            Region::Ningxia => &["宁"],
            Region::Xinjiang => &["新"],
        }
    }

    /// The region whose offices issue plates beginning like `plate`. `None` for other plates.
    pub fn of_plate(plate: &str) -> Option<Region> {
        let issues = |region: &&Region| {
            region.plate_prefixes().iter().any(|prefix| plate.starts_with(prefix))
        };
        let city = Region::ALL.iter().filter(|region| region.is_separately_planned()).find(issues);
        city.or_else(|| Region::ALL.iter().find(issues)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separately_planned_city_comes_before_its_province() {
        let cases = [
            ("440305", Some(Region::Shenzhen)),
            ("440106", Some(Region::Guangdong)),
            ("210200", Some(Region::Dalian)),
            ("510104", Some(Region::Sichuan)),
            ("810000", None),
            ("990000", None),
            ("11000", None),
            ("11０00", None),
        ];
        for (area, region) in cases {
            assert_eq!(Region::of_area(area).ok(), region, "{area}");
        }
    }

    #[test]
    fn plates_tell_the_region() {
        assert_eq!(Region::of_plate("粤B12345"), Some(Region::Shenzhen));
        assert_eq!(Region::of_plate("粤A12345"), Some(Region::Guangdong));
        assert_eq!(Region::of_plate("鲁U12345"), Some(Region::Qingdao));
        assert_eq!(Region::of_plate("WJ12345"), None);
    }

    #[test]
    fn there_are_36_regions_known_by_code() {
        assert_eq!(Region::ALL.len(), 36);
        for &region in Region::ALL {
            assert_eq!(Region::parse(region.code()), Ok(region));
            assert_eq!(Region::of_area(region.code()), Ok(region));
            assert_eq!(format!("{:04}00", region.area4()), region.code());
        }
    }
}
